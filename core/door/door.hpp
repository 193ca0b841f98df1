// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/codec/packet.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::door {

/// An actor message between processes: a packet's type id and canonical bytes, not yet admitted.
struct envelope {
  std::uint64_t type = 0;
  std::vector<std::byte> payload;
};

template <class Schema>
envelope wrap(const packet<Schema>& x) {
  auto raw = x.bytes();
  return {packet<Schema>::type_id, {raw.begin(), raw.end()}};
}

/// Admits an envelope as `Schema`; a `Fault` envelope becomes its fault, another type is
/// `malformed`.
template <class Schema>
result<packet<Schema>> unwrap(const envelope& x);

/// Renders a fault as an envelope.
envelope wrap_fault(const fault& why);

/// The fault inside a `Fault` envelope, if it is one.
std::optional<fault> as_fault(const envelope& x);

/// Who is at the other end. On a unix or plain loopback door: role "local", empty name. With TLS:
/// the certificate's common name "ROLE:NAME" or "ROLE" split at the colon.
struct peer {
  std::string role;
  std::string name;
};

/// Answers a request: exactly once, from any thread.
using answer = std::function<void(result<envelope>)>;

/// Called on the door's thread for each request; must not block.
using service = std::function<void(envelope request, const peer& from, answer reply)>;

/// PEM files. All three or none.
struct tls_files {
  std::string certificate;
  std::string key;
  std::string ca;

  bool empty() const { return certificate.empty() && key.empty() && ca.empty(); }
};

/// One thread with a kj event loop; servers and clients live on it. Destroy it last.
class io_thread {
public:
  io_thread();
  ~io_thread();
  io_thread(const io_thread&) = delete;
  io_thread& operator=(const io_thread&) = delete;

  struct impl;
  impl& get() { return *impl_; }

private:
  std::unique_ptr<impl> impl_;
};

struct server_options {
  /// "127.0.0.1:0", "[::1]:7000", "0.0.0.0:7000" or "unix:/path" (created 0600).
  std::string address;
  /// Mutually verified. Required unless the address is a unix path or loopback; unused on a unix
  /// path.
  tls_files tls{};
  std::size_t connections_max = 1024;
  std::size_t requests_max = 4096; ///< In flight over all connections; more is `busy`.
  /// A connection without one complete message by then is closed.
  std::chrono::milliseconds silence_max{30'000};
};

/// Listens and hands each request to a service. A connection that sends rubbish, oversized frames
/// or nothing is closed without harming others; no frame's length is believed before its limit is
/// checked.
class server {
public:
  /// `invalid`: bad address, or TLS missing where required (says which file) or unusable; `busy`:
  /// another process serves this unix path; `storage`: cannot bind. Destruction answers open
  /// requests with `canceled`, and no service call runs after it.
  static result<std::unique_ptr<server>> open(io_thread& io, server_options options,
                                              service handler);
  virtual ~server() = default;

  /// The bound TCP port; 0 for unix.
  virtual std::uint16_t port() const = 0;
};

struct client_options {
  std::string address;
  tls_files tls{};
  std::string
      server_name{}; ///< Checked against the certificate when TLS is on; empty: the address's host.
  std::size_t requests_max = 4096; ///< In flight; more is `busy`.
};

/// Calls a door. Connects on first use and again after a loss; any thread.
class client {
public:
  static std::unique_ptr<client> open(io_thread& io, client_options options);
  virtual ~client() = default;

  /// `reply` runs once, on the io thread: the answer (the other side's fault arrives as a fault),
  /// or `unreachable`, `timeout`, `too_large`, `busy`; `canceled` when the client is destroyed
  /// first.
  virtual void call(envelope request, std::chrono::milliseconds timeout, answer reply) = 0;

  /// Blocks; never call it on the io thread.
  result<envelope> call(envelope request, std::chrono::milliseconds timeout);

  /// Typed: `ask<Task>(packet<FlipStart>{...}, 5s)`.
  template <class Reply, class Request>
  result<packet<Reply>> ask(const packet<Request>& request, std::chrono::milliseconds timeout) {
    auto got = call(wrap(request), timeout);
    if (!got)
      return got.error();
    return unwrap<Reply>(*got);
  }

  virtual const std::string& address() const = 0;
};

template <class Schema>
result<packet<Schema>> unwrap(const envelope& x) {
  if (auto why = as_fault(x))
    return *why;
  if (x.type != packet<Schema>::type_id)
    return fault{errc::malformed, "the other side answered with a message of another type"};
  return packet<Schema>::admit(x.payload);
}

} // namespace foreshift::door
