// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/json.hpp"
#include "core/door/door.hpp"
#include "schemas/affinity.capnp.h"
#include "schemas/api.capnp.h"
#include "schemas/door.capnp.h"
#include "schemas/plan.capnp.h"

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <string_view>

namespace foreshift::cli {

struct options {
  std::string coordinator = "127.0.0.1:7400";
  door::tls_files tls;
  std::string server_name; ///< In the coordinator's certificate; empty: the host of its address.
  bool json = false;       ///< Print schemas as JSON instead of tables.
};

/// Longest wait for an answer that needs no work, and for one that ends with a task.
inline constexpr std::chrono::milliseconds ask_timeout{10'000};
inline constexpr std::chrono::milliseconds task_timeout{120'000};

/// One run of the tool: its options and its connection to the coordinator. One thread.
class session {
public:
  explicit session(options o);
  ~session();

  template <class Reply, class Request>
  result<packet<Reply>> ask(const packet<Request>& request,
                            std::chrono::milliseconds timeout = ask_timeout) {
    return client().ask<Reply>(request, timeout);
  }

  /// The same without waiting for the answer.
  template <class Reply, class Request>
  std::future<result<packet<Reply>>> send(const packet<Request>& request,
                                          std::chrono::milliseconds timeout) {
    auto answer = std::make_shared<std::promise<result<packet<Reply>>>>();
    client().call(door::wrap(request), timeout, [answer](result<door::envelope> got) {
      answer->set_value(got ? door::unwrap<Reply>(*got) : result<packet<Reply>>{got.error()});
    });
    return answer->get_future();
  }

  /// The same options, but somebody else's door.
  session elsewhere(const std::string& address) const;

  bool json() const { return options_.json; }

  /// Prints "foreshift: sentence" and perhaps a hint to standard error; returns the exit code.
  int fail(const fault& why) const;

private:
  door::client& client();

  options options_;
  std::unique_ptr<door::io_thread> io_;
  std::unique_ptr<door::client> client_;
};

/// Asks, then prints the answer as JSON or through `show(reader)`. Returns the exit code.
template <class Reply, class Request, class Show>
int ask_and_show(session& s, const packet<Request>& request, Show&& show,
                 std::chrono::milliseconds timeout = ask_timeout) {
  auto got = s.ask<Reply>(request, timeout);
  if (!got)
    return s.fail(got.error());
  if (s.json())
    std::puts(to_json(*got).c_str());
  else
    show(got->read());
  return 0;
}

/// A Cap'n Proto text as a view; lives as long as its packet.
inline std::string_view view(capnp::Text::Reader text) {
  return {text.cStr(), text.size()};
}
inline std::string str(capnp::Text::Reader text) {
  return std::string{view(text)};
}

} // namespace foreshift::cli
