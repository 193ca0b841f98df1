// SPDX-License-Identifier: Apache-2.0
#include "core/door/kj_warnings.hpp"

#include "core/door/acceptor.hpp"

#include "core/base/log.hpp"
#include "core/door/tls.hpp"

#include <fmt/format.h>

namespace foreshift::door {

result<listening> listen_on(const std::string& address, const tls_files& tls) {
  auto where = parse_bind_address(address);
  if (!where)
    return where.error();
  if (!where->is_private() || !tls.empty())
    if (auto ok = check_complete(tls); !ok)
      return fault{errc::invalid, fmt::format("cannot serve {}: {}", address, ok.error().detail)};
  auto socket = listen_at(*where);
  if (!socket)
    return socket.error();
  return listening{*where, *std::move(socket), where->is_unix() ? tls_files{} : tls};
}

result<kj::Own<acceptor>> acceptor::open(io_thread::impl& io, listening at,
                                         std::size_t connections_max, host serve) {
  kj::Maybe<kj::Own<kj::TlsContext>> tls;
  if (!at.tls.empty()) {
    auto context = open_tls(at.tls, io.timer());
    if (!context)
      return context.error();
    tls = *std::move(context);
  }
  return kj::heap<acceptor>(io, std::move(at), kj::mv(tls), connections_max, std::move(serve));
}

acceptor::acceptor(io_thread::impl& io, listening at, kj::Maybe<kj::Own<kj::TlsContext>> tls,
                   std::size_t connections_max, host serve)
    : io_(io), address_(at.where.text), connections_max_(connections_max), serve_(std::move(serve)),
      tls_(kj::mv(tls)), listener_(io.io().lowLevelProvider->wrapListenSocketFd(kj::mv(at.socket))),
      tasks_(*this) {
  tasks_.add(accept());
}

kj::Promise<void> acceptor::accept() {
  return listener_->acceptAuthenticated()
      .then(
          [this](kj::AuthenticatedStream&& stream) -> kj::Promise<void> {
            admit(kj::mv(stream));
            return kj::READY_NOW;
          },
          [this](kj::Exception&& why) -> kj::Promise<void> {
            // Out of descriptors, most likely: those that are connected go on, others wait.
            slog::warn("the door cannot accept connections address={} why={}", address_,
                       why.getDescription().cStr());
            return io_.timer().afterDelay(100 * kj::MILLISECONDS);
          })
      .then([this] { return accept(); });
}

void acceptor::admit(kj::AuthenticatedStream stream) {
  if (open_ >= connections_max_)
    return;
  ++open_;
  tune(*stream.stream);
  tasks_.add(greet(kj::mv(stream)).attach(kj::defer([this] { --open_; })));
}

kj::Promise<void> acceptor::greet(kj::AuthenticatedStream stream) {
  KJ_IF_MAYBE (tls, tls_)
    return (*tls)->wrapServer(kj::mv(stream)).then([this](kj::AuthenticatedStream&& secure) {
      auto& identity = kj::downcast<kj::TlsPeerIdentity>(*secure.peerIdentity);
      return serve_(kj::mv(secure.stream), peer_from(identity.getCommonName().cStr()));
    });
  return serve_(kj::mv(stream.stream), peer{"local", {}});
}

void acceptor::taskFailed(kj::Exception&& why) {
  slog::debug("a connection ended address={} why={}", address_, why.getDescription().cStr());
}

} // namespace foreshift::door
