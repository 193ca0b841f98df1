// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/listen_socket.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace foreshift {

namespace {

constexpr int backlog = 1024;

fault system_fault(const std::string& what) {
  return {errc::storage, fmt::format("cannot {}: {}", what, std::strerror(errno))};
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1)
    return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "::1";
}

bool is_port(const std::string& text) {
  std::uint32_t port = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  return ec == std::errc{} && end == text.data() + text.size() && port <= 65535;
}

} // namespace

owned_fd& owned_fd::operator=(owned_fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0)
      close(fd_);
    fd_ = other.release();
  }
  return *this;
}

owned_fd::~owned_fd() {
  if (fd_ >= 0)
    close(fd_);
}

int owned_fd::release() {
  return std::exchange(fd_, -1);
}

result<tcp_address> parse_tcp(const std::string& address) {
  auto colon = address.rfind(':');
  tcp_address out;
  if (colon != std::string::npos) {
    out.host = address.substr(0, colon);
    out.port = address.substr(colon + 1);
    if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
      out.host = out.host.substr(1, out.host.size() - 2);
    else if (out.host.find(':') != std::string::npos)
      out.host.clear();
  }
  in6_addr v6{};
  in_addr v4{};
  bool numeric = inet_pton(AF_INET, out.host.c_str(), &v4) == 1
                 || inet_pton(AF_INET6, out.host.c_str(), &v6) == 1;
  if (!numeric || !is_port(out.port))
    return fault{
        errc::invalid,
        fmt::format("'{}' is not an address like 127.0.0.1:10809 or [::1]:10809", address)};
  out.loopback = is_loopback(out.host);
  return out;
}

result<owned_fd> listen_unix(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path)
    return fault{errc::invalid, fmt::format("the socket path {} has {} characters; unix sockets "
                                            "allow {}: choose a shorter one",
                                            path, path.size(), sizeof name.sun_path - 1)};
  std::memcpy(name.sun_path, path.c_str(), path.size());
  owned_fd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!fd)
    return system_fault("create a unix socket");
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return system_fault("replace the socket " + path);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
    return system_fault("bind the socket " + path);
  if (chmod(path.c_str(), 0660) != 0 || listen(fd.get(), backlog) != 0)
    return system_fault("listen on the socket " + path);
  return fd;
}

result<owned_fd> listen_tcp(const std::string& address) {
  auto parsed = parse_tcp(address);
  if (!parsed)
    return parsed.error();
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(parsed->host.c_str(), parsed->port.c_str(), &hints, &found) != 0)
    return fault{errc::invalid, fmt::format("cannot resolve the address {}", address)};
  owned_fd fd{socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  int on = 1;
  bool bound = fd && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
               && bind(fd.get(), found->ai_addr, found->ai_addrlen) == 0
               && listen(fd.get(), backlog) == 0;
  freeaddrinfo(found);
  if (!bound)
    return system_fault("listen on " + address);
  return fd;
}

owned_fd borrow_listening(int pidfd, int remote_fd) {
  owned_fd fd{static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, remote_fd, 0))};
  if (!fd)
    return {};
  int listening = 0;
  socklen_t size = sizeof listening;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
    return {};
  return fd;
}

} // namespace foreshift
