// SPDX-License-Identifier: Apache-2.0
#include "core/door/sockets.hpp"

#include <fmt/format.h>
#include <kj/exception.h>

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace foreshift::door {

namespace {

constexpr std::string_view unix_prefix = "unix:";

result<bind_address> parse_unix(const std::string& text) {
  bind_address out{text};
  auto& raw = reinterpret_cast<sockaddr_un&>(out.raw);
  auto path = text.substr(unix_prefix.size());
  if (path.empty() || path.size() >= sizeof(raw.sun_path))
    return fault{errc::invalid, fmt::format("the socket path in '{}' must have 1 to {} characters",
                                            text, sizeof(raw.sun_path) - 1)};
  raw.sun_family = AF_UNIX;
  std::memcpy(raw.sun_path, path.c_str(), path.size() + 1);
  out.size = sizeof(raw);
  return out;
}

fault cannot_listen(const bind_address& where, int why) {
  return {errc::storage, fmt::format("cannot listen at {}: {}", where.text, std::strerror(why))};
}

/// Whether a process answers at a unix socket's path.
bool is_alive(const bind_address& where) {
  kj::AutoCloseFd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&where.raw), where.size) == 0
         || errno == EAGAIN; // its backlog is full: very much alive
}

int bind_to(int fd, const bind_address& where) {
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&where.raw), where.size) == 0 ? 0 : errno;
}

result<void> bind_unix(int fd, const bind_address& where) {
  // Linux creates the socket's file with the mode of the socket; unlike umask this touches no other
  // thread.
  ::fchmod(fd, 0600);
  auto why = bind_to(fd, where);
  if (why == EADDRINUSE) {
    if (is_alive(where))
      return fault{errc::busy, fmt::format("another process listens at {}", where.text)};
    struct stat file {};
    if (::lstat(where.path().c_str(), &file) == 0 && !S_ISSOCK(file.st_mode))
      return fault{errc::storage, fmt::format("cannot listen at {}: a file that is not a socket "
                                              "is in the way",
                                              where.text)};
    ::unlink(where.path().c_str());
    why = bind_to(fd, where);
  }
  if (why != 0)
    return cannot_listen(where, why);
  return {};
}

} // namespace

bool bind_address::is_private() const {
  if (is_unix())
    return true;
  if (raw.ss_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in&>(raw).sin_addr.s_addr) >> 24 == 127;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(raw);
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

result<bind_address> parse_bind_address(const std::string& text) {
  if (text.starts_with(unix_prefix))
    return parse_unix(text);
  bind_address out{text};
  auto colon = text.rfind(':');
  std::uint16_t port = 0;
  auto host = host_of(text);
  const char* end = text.data() + text.size();
  const char* digits = colon == std::string::npos ? end : text.data() + colon + 1;
  auto read = std::from_chars(digits, end, port);
  if (host.empty() || digits == end || read.ec != std::errc{} || read.ptr != end)
    return fault{errc::invalid, fmt::format("'{}' is not an address of the form 127.0.0.1:7400, "
                                            "[::1]:7400 or unix:/path",
                                            text)};
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.raw);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.raw);
  if (host == "localhost")
    host = "127.0.0.1";
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    out.size = sizeof(v4);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    out.size = sizeof(v6);
  } else {
    return fault{errc::invalid, fmt::format("'{}' in '{}' is not a numeric address", host, text)};
  }
  return out;
}

result<kj::AutoCloseFd> listen_at(const bind_address& where) {
  kj::AutoCloseFd fd{::socket(where.raw.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (fd.get() < 0)
    return cannot_listen(where, errno);
  if (where.is_unix()) {
    if (auto ok = bind_unix(fd.get(), where); !ok)
      return ok.error();
  } else {
    int on = 1; // accepted sockets inherit both
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (auto why = bind_to(fd.get(), where); why != 0)
      return cannot_listen(where, why);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0)
    return cannot_listen(where, errno);
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage raw{};
  socklen_t size = sizeof(raw);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &size) != 0)
    return 0;
  if (raw.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in&>(raw).sin_port);
  if (raw.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(raw).sin6_port);
  return 0;
}

std::string host_of(const std::string& address) {
  if (address.starts_with(unix_prefix))
    return {};
  auto host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    return host.substr(1, host.size() - 2);
  return host;
}

void tune(kj::AsyncIoStream& stream) {
  auto set = [&](int level, int option, int value) {
    // A unix socket knows none of these; that is fine.
    kj::runCatchingExceptions([&] { stream.setsockopt(level, option, &value, sizeof(value)); });
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
}

} // namespace foreshift::door
