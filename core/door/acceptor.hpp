// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/door/io_loop.hpp"
#include "core/door/sockets.hpp"

#include <kj/compat/tls.h>

#include <functional>
#include <string>

namespace foreshift::door {

/// A socket that listens, and the files of the TLS that its connections must speak, if any.
struct listening {
  bind_address where;
  kj::AutoCloseFd socket;
  tls_files tls;
};

/// Binds an address. `invalid`: bad address, or TLS missing where required (says which file);
/// `busy`: another process serves this unix path; `storage`: cannot bind.
result<listening> listen_on(const std::string& address, const tls_files& tls);

/// Accepts connections, checks who is at the other end and hands them on. Lives on the io thread.
class acceptor final : private kj::TaskSet::ErrorHandler {
public:
  /// Serves one connection; it is closed when the promise ends.
  using host = std::function<kj::Promise<void>(kj::Own<kj::AsyncIoStream> stream, peer from)>;

  /// On the io thread. `invalid` when the TLS files are unusable.
  static result<kj::Own<acceptor>> open(io_thread::impl& io, listening at,
                                        std::size_t connections_max, host serve);

  acceptor(io_thread::impl& io, listening at, kj::Maybe<kj::Own<kj::TlsContext>> tls,
           std::size_t connections_max, host serve);

private:
  kj::Promise<void> accept();
  void admit(kj::AuthenticatedStream stream);
  kj::Promise<void> greet(kj::AuthenticatedStream stream);
  void taskFailed(kj::Exception&& why) override;

  io_thread::impl& io_;
  const std::string address_;
  const std::size_t connections_max_;
  const host serve_;
  kj::Maybe<kj::Own<kj::TlsContext>> tls_;
  kj::Own<kj::ConnectionReceiver> listener_;
  std::size_t open_ = 0;
  kj::TaskSet tasks_; // last: connections refer to everything above
};

} // namespace foreshift::door
