// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <kj/async-io.h>
#include <kj/io.h>

#include <cstdint>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

namespace foreshift::door {

/// A numeric socket address that a door can listen on.
struct bind_address {
  std::string text;
  sockaddr_storage raw{};
  socklen_t size = 0;

  bool is_unix() const { return raw.ss_family == AF_UNIX; }

  /// Reachable only from this machine.
  bool is_private() const;

  std::string path() const { return reinterpret_cast<const sockaddr_un&>(raw).sun_path; }
};

/// Reads "127.0.0.1:0", "localhost:0", "[::1]:7000" or "unix:/path"; `invalid` otherwise.
result<bind_address> parse_bind_address(const std::string& text);

/// A bound, listening, non-blocking socket. A unix socket is created 0600; a file left behind by a
/// dead process is replaced. `busy` if somebody listens there, `storage` if it cannot be bound.
result<kj::AutoCloseFd> listen_at(const bind_address& where);

/// The port a TCP socket is bound to; 0 for unix.
std::uint16_t port_of(int fd);

/// The host in "host:port" or "[v6]:port"; empty for unix.
std::string host_of(const std::string& address);

/// Small messages leave at once; a peer that vanished is noticed within about ten seconds.
void tune(kj::AsyncIoStream& stream);

} // namespace foreshift::door
