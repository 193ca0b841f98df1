// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/http/json_api.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace foreshift::http {

/// A page that is no verb, such as the metrics.
struct page {
  std::string type; ///< Content-Type.
  std::string body;
};

/// Makes a page for a peer: answers once, from any thread.
using page_maker =
    std::function<void(const door::peer& from, std::function<void(result<page>)> answer)>;

struct http_options {
  /// As a door's, with the same rules about TLS; a unix path works too.
  std::string address;
  door::tls_files tls{};
  std::size_t connections_max = 256;
};

/// The door's verbs for clients without Cap'n Proto.
///
///   GET  /v1                      names of the verbs
///   GET  /v1/VERB?field=value&... verbs that change nothing
///   POST /v1/VERB                 the request as application/json
///   GET  /PATH                    pages
///
/// An error is {"code", "detail"} with a fitting status. A browser cannot be made to change
/// anything: a POST must say application/json, and without TLS the Host must be a loopback name.
class http_server {
public:
  /// Fails as door::server::open does. Destruction ends open requests.
  static result<std::unique_ptr<http_server>> open(door::io_thread& io, http_options options,
                                                   json_api api, door::service service,
                                                   std::map<std::string, page_maker> pages);
  virtual ~http_server() = default;

  virtual std::uint16_t port() const = 0;
};

} // namespace foreshift::http
