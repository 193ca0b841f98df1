// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_client.hpp"

#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace foreshift::qmp {

namespace {

/// Events nobody asks for: the oldest go.
constexpr std::size_t events_max = 4096;

constexpr std::int64_t poll_ms_max = 3'600'000;

std::string request_line(const std::string& command, const nlohmann::json& arguments) {
  nlohmann::json request{{"execute", command}};
  if (!arguments.empty())
    request["arguments"] = arguments;
  return request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

result<reply> answer_in(const std::string& command, const message& got) {
  if (auto* why = std::get_if<error>(&got))
    return fault{errc::failed, command + ": " + why->text};
  auto* done = std::get_if<reply>(&got);
  return done ? *done : reply{std::make_shared<const nlohmann::json>()};
}

} // namespace

client::deadline client::after(std::chrono::milliseconds span) const {
  return clock_.monotonic_ns() + std::chrono::nanoseconds{span}.count();
}

result<std::unique_ptr<client>> client::open(const std::string& path,
                                             std::chrono::milliseconds timeout,
                                             const clock_source& clock) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fault{errc::invalid, "'" + path + "' is no path of a unix socket"};
  std::memcpy(address.sun_path, path.c_str(), path.size());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return fault{errc::failed, std::string{"no socket: "} + std::strerror(errno)};
  std::unique_ptr<client> out{new client{fd, path, clock}};
  auto until = out->after(timeout);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fault{errc::unreachable, "no QEMU monitor at '" + path + "': " + std::strerror(errno)};
  auto first = out->receive(until);
  if (!first) {
    if (first.error().code == errc::timeout)
      return fault{errc::timeout, "the QEMU monitor at '" + path
                                      + "' does not greet; does another client hold it?"};
    return first.error();
  }
  auto* hello = std::get_if<greeting>(&*first);
  if (!hello)
    return fault{errc::malformed, "'" + path + "' is no QEMU monitor"};
  out->version_ = *hello;
  if (auto done = out->execute("qmp_capabilities", timeout); !done)
    return done.error();
  return out;
}

client::~client() {
  ::close(socket_);
}

/// What QEMU said before it went is still worth hearing: whether its guest ran.
void client::drain() {
  char buffer[16384];
  for (;;) {
    auto got = ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0 || !lines_.feed({buffer, static_cast<std::size_t>(got)}))
      return;
  }
}

fault client::lost(const std::string& why) {
  drain();
  lost_ = fault{errc::unreachable, "the QEMU at '" + path_ + "' is gone: " + why};
  return *lost_;
}

result<void> client::wait(short events, deadline until) {
  for (;;) {
    pollfd one{socket_, events, 0};
    // Rounded up, so that a wait never spins through its last millisecond.
    auto left = (until - clock_.monotonic_ns() + 999'999) / 1'000'000;
    int got = ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, poll_ms_max)));
    if (got > 0)
      return {};
    if (got < 0 && errno != EINTR)
      return lost(std::strerror(errno));
    if (clock_.monotonic_ns() >= until)
      return fault{errc::timeout, "the QEMU at '" + path_ + "' does not answer in time"};
  }
}

result<message> client::receive(deadline until) {
  for (;;) {
    if (auto line = lines_.next())
      return parse(*line);
    if (lost_)
      return *lost_;
    if (auto ready = wait(POLLIN, until); !ready)
      return ready.error();
    char buffer[16384];
    auto got = ::recv(socket_, buffer, sizeof buffer, 0);
    if (got == 0)
      return lost("it closed its monitor");
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      return lost(std::strerror(errno));
    if (got > 0)
      if (auto fed = lines_.feed({buffer, static_cast<std::size_t>(got)}); !fed) {
        lost_ = fed.error();
        return fed.error();
      }
  }
}

result<void> client::send(std::string line, deadline until) {
  if (lost_)
    return *lost_;
  std::string_view left = line;
  while (!left.empty()) {
    auto sent = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent > 0)
      left.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno != EAGAIN && errno != EINTR)
      return lost(std::strerror(errno));
    else if (auto ready = wait(POLLOUT, until); !ready)
      return ready;
  }
  return {};
}

void client::keep(event what) {
  if (events_.size() >= events_max)
    events_.pop_front();
  events_.push_back({std::move(what), clock_.wall_ms() * 1000});
}

result<reply> client::await_reply(const std::string& command, deadline until) {
  for (;;) {
    auto got = receive(until);
    if (!got) {
      // Its answer may come later and must not be taken for another command's.
      if (got.error().code == errc::timeout)
        lost("it did not answer '" + command + "' in time");
      return got.error();
    }
    if (auto* what = std::get_if<event>(&*got))
      keep(std::move(*what));
    else if (!std::holds_alternative<greeting>(*got))
      return answer_in(command, *got);
  }
}

result<reply> client::execute(const std::string& command, const nlohmann::json& arguments,
                              std::chrono::milliseconds timeout) {
  auto until = after(timeout);
  if (auto sent = send(request_line(command, arguments), until); !sent)
    return sent.error();
  await_posted(until);
  return await_reply(command, until);
}

result<void> client::post(const std::string& command, const nlohmann::json& arguments,
                          std::chrono::milliseconds timeout) {
  auto until = after(timeout);
  await_posted(until);
  posted_answer_.reset();
  auto sent = send(request_line(command, arguments), until);
  if (sent)
    posted_ = command;
  return sent;
}

result<reply> client::collect(std::chrono::milliseconds timeout) {
  await_posted(after(timeout));
  if (!posted_answer_)
    return fault{errc::precondition, "nothing was posted"};
  return *std::exchange(posted_answer_, std::nullopt);
}

/// Answers come in the order of commands.
void client::await_posted(deadline until) {
  if (!posted_)
    return;
  posted_answer_ = await_reply(*posted_, until);
  posted_.reset();
}

result<reply> client::execute(const std::string& command, std::chrono::milliseconds timeout) {
  return execute(command, nlohmann::json::object(), timeout);
}

result<std::optional<heard>> client::next_event(std::chrono::milliseconds timeout) {
  auto until = after(timeout);
  while (events_.empty()) {
    auto got = receive(until);
    if (!got && got.error().code == errc::timeout)
      return std::optional<heard>{};
    if (!got)
      return got.error();
    if (auto* what = std::get_if<event>(&*got)) {
      keep(std::move(*what));
    } else if (posted_) {
      posted_answer_ = answer_in(*posted_, *got);
      posted_.reset();
    }
  }
  auto first = std::move(events_.front());
  events_.pop_front();
  return std::optional<heard>{std::move(first)};
}

} // namespace foreshift::qmp
