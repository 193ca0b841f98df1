// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"

#include <caf/deserializer.hpp>
#include <caf/error.hpp>
#include <caf/sec.hpp>
#include <caf/serializer.hpp>

#include <string>

namespace foreshift {

/// Lets CAF carry packets in messages. Between processes they go through the door, never through
/// these.
template <class Schema>
caf::error inspect(caf::serializer& sink, packet<Schema>& x) {
  std::string bytes{as_text(x.bytes())};
  return sink(bytes);
}

/// Bytes that do not decode fail the deserialization and thus never reach a behavior.
template <class Schema>
caf::error inspect(caf::deserializer& source, packet<Schema>& x) {
  std::string bytes;
  if (auto err = source(bytes))
    return err;
  auto admitted = packet<Schema>::admit(as_bytes(bytes));
  if (!admitted)
    return caf::make_error(caf::sec::end_of_stream, admitted.error().detail);
  x = *std::move(admitted);
  return caf::none;
}

} // namespace foreshift
