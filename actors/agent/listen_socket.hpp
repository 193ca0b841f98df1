// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>

namespace foreshift {

/// Owns one file descriptor.
class owned_fd {
public:
  owned_fd() = default;
  explicit owned_fd(int fd) : fd_(fd) {}
  owned_fd(owned_fd&& other) noexcept : fd_(other.release()) {}
  owned_fd& operator=(owned_fd&& other) noexcept;
  ~owned_fd();

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int release();

private:
  int fd_ = -1;
};

/// Binds a unix socket and listens. A stale file at `path` is replaced, so the caller must know
/// that nobody serves it. Mode 0660: the group of the directory decides who else may connect.
/// `invalid`: the path is too long for a unix socket; `storage`: the system refused.
result<owned_fd> listen_unix(const std::string& path);

/// Binds "ADDR:PORT" or "[ADDR]:PORT" (numeric) and listens.
result<owned_fd> listen_tcp(const std::string& address);

/// Takes a listening socket out of another process. Empty where the kernel does not permit it.
owned_fd borrow_listening(int pidfd, int remote_fd);

/// Checks "ADDR:PORT" without binding; `loopback` tells whether only this machine can reach it.
struct tcp_address {
  std::string host;
  std::string port;
  bool loopback = false;
};
result<tcp_address> parse_tcp(const std::string& address);

} // namespace foreshift
