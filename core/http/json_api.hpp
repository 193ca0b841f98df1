// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"

#include <capnp/schema.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace foreshift::http {

/// The actor messages that HTTP offers: JSON in and out by the schemas alone, so that a verb of the
/// door is one of HTTP without a line of its own. Immutable once served.
class json_api {
public:
  /// Offers a verb under the name of its request's schema.
  template <class Request, class Reply>
  json_api& offer() {
    add(capnp::Schema::from<Request>(), capnp::Schema::from<Reply>());
    return *this;
  }

  /// The verbs' names, sorted.
  std::vector<std::string> verbs() const;

  /// Whether a verb changes nothing, and so may be asked for by GET: "...Get", "...List", "...Show"
  /// and questions.
  static bool only_asks(std::string_view verb);

  /// A request from JSON text, empty text being "{}". `not_found`: no such verb, naming the nearest
  /// one; `invalid`: no JSON of that schema; a field that the schema lacks is an error.
  result<door::envelope> read(const std::string& verb, std::string_view text) const;

  /// A reply as JSON. `malformed`: not a type that any verb answers with.
  result<std::string> write(const door::envelope& reply) const;

private:
  void add(capnp::StructSchema request, capnp::StructSchema reply);

  std::map<std::string, capnp::StructSchema> requests_;
  std::unordered_map<std::uint64_t, capnp::StructSchema> replies_;
};

} // namespace foreshift::http
