// SPDX-License-Identifier: Apache-2.0
#include "core/door/port_probe.hpp"

#include "core/base/clock.hpp"
#include "schemas/door.capnp.h"

#include <kj/io.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <netdb.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>

namespace foreshift::door {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view nbd_greeting = "NBDMAGIC";

/// One connection to an NBD server on its way.
struct knock {
  std::size_t index = 0;
  kj::AutoCloseFd socket;
  bool connected = false;
  std::string heard;
};

std::string because(int error) {
  return std::strerror(error);
}

/// Begins to connect; fills `why` when that fails at once.
kj::AutoCloseFd begin_connect(const std::string& address, std::string& why) {
  auto colon = address.rfind(':');
  if (colon == std::string::npos) {
    why = "'" + address + "' is no address";
    return {};
  }
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[')
    host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int bad = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found); bad != 0) {
    why = gai_strerror(bad);
    return {};
  }
  kj::AutoCloseFd socket{::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  int bad = socket.get() < 0 ? -1 : connect(socket, found->ai_addr, found->ai_addrlen);
  auto error = errno;
  freeaddrinfo(found);
  if (bad != 0 && error != EINPROGRESS)
    why = because(error);
  return socket;
}

/// One step; true when it is decided.
bool advance(knock& x, std::string& why) {
  if (!x.connected) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(x.socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      why = because(error);
      return true;
    }
    x.connected = true;
    return false;
  }
  char bytes[nbd_greeting.size()];
  auto got = recv(x.socket, bytes, sizeof bytes - x.heard.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return false;
  if (got <= 0) {
    why = got == 0 ? "the connection is closed at once" : because(errno);
    return true;
  }
  x.heard.append(bytes, static_cast<std::size_t>(got));
  if (!nbd_greeting.starts_with(x.heard))
    why = "something that is no NBD server answers";
  return !why.empty() || x.heard.size() == nbd_greeting.size();
}

void knock_all(std::vector<knock>& open, std::vector<std::string>& why, std::int64_t end_ns) {
  while (!open.empty()) {
    auto left_ms = (end_ns - system_clock().monotonic_ns()) / 1'000'000;
    std::vector<pollfd> waits;
    for (auto& x : open)
      waits.push_back({x.socket, static_cast<short>(x.connected ? POLLIN : POLLOUT), 0});
    if (left_ms <= 0 || poll(waits.data(), waits.size(), static_cast<int>(left_ms)) == 0)
      break;
    std::vector<knock> rest;
    for (std::size_t i = 0; i < open.size(); ++i)
      if (waits[i].revents == 0 || !advance(open[i], why[open[i].index]))
        rest.push_back(std::move(open[i]));
    open = std::move(rest);
  }
  for (auto& x : open)
    why[x.index] = x.connected ? "it does not say anything" : "it does not answer";
}

} // namespace

std::vector<std::string> probe(io_thread& io, const tls_files& tls, const std::vector<port>& ports,
                               std::chrono::milliseconds timeout) {
  auto end_ns = system_clock().monotonic_ns() + std::chrono::nanoseconds{timeout}.count();
  std::vector<std::string> why(ports.size());
  std::vector<std::unique_ptr<client>> doors;
  std::vector<std::pair<std::size_t, std::future<std::string>>> pings;
  std::vector<knock> knocks;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].what == port::kind::nbd) {
      auto socket = begin_connect(ports[i].address, why[i]);
      if (why[i].empty())
        knocks.push_back({i, std::move(socket), false, {}});
      continue;
    }
    auto said = std::make_shared<std::promise<std::string>>();
    pings.emplace_back(i, said->get_future());
    auto& door = doors.emplace_back(client::open(io, {.address = ports[i].address, .tls = tls}));
    door->call(wrap(packet<schema::Ping>{}), timeout, [said](result<envelope> got) {
      auto pong = got ? unwrap<schema::Pong>(*got) : result<packet<schema::Pong>>{got.error()};
      said->set_value(pong ? "" : pong.error().detail);
    });
  }
  knock_all(knocks, why, end_ns);
  for (auto& [index, said] : pings)
    why[index] = said.get();
  return why;
}

} // namespace foreshift::door
