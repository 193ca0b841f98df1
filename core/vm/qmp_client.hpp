// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/vm/qmp_message.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <string>

namespace foreshift::qmp {

/// An event and when it was heard here.
struct heard {
  event what;
  std::int64_t arrived_us = 0; ///< This process's wall clock, whole milliseconds of it.
};

/// A connection to one QEMU's monitor over its unix socket. One thread; calls block. Faults:
/// `unreachable` once the connection is lost, which it stays; `timeout`; `failed`: QEMU refused the
/// command and says why; `malformed` and `too_large`: QEMU does not speak QMP.
class client {
public:
  /// Connects, hears the greeting and leaves capability negotiation. QEMU serves one client per
  /// socket: while another has it, this times out.
  static result<std::unique_ptr<client>>
  open(const std::string& path, std::chrono::milliseconds timeout, const clock_source& clock);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  const greeting& version() const { return version_; }

  /// Runs a command and returns its answer. Events that come meanwhile wait for `next_event`.
  result<reply> execute(const std::string& command, const nlohmann::json& arguments,
                        std::chrono::milliseconds timeout);
  result<reply> execute(const std::string& command, std::chrono::milliseconds timeout);

  /// Sends a command and does not wait for its answer, which `collect` returns. One at a time;
  /// other commands may be run meanwhile.
  result<void> post(const std::string& command, const nlohmann::json& arguments,
                    std::chrono::milliseconds timeout);
  /// `precondition`: nothing was posted.
  result<reply> collect(std::chrono::milliseconds timeout);

  /// The next event; nothing when none came in time. What arrived is returned also after the
  /// connection was lost.
  result<std::optional<heard>> next_event(std::chrono::milliseconds timeout);

private:
  client(int socket, std::string path, const clock_source& clock)
      : socket_(socket), path_(std::move(path)), clock_(clock) {}

  using deadline = std::int64_t; ///< Of `clock_`, nanoseconds.
  deadline after(std::chrono::milliseconds span) const;
  result<message> receive(deadline until);
  result<void> send(std::string line, deadline until);
  result<void> wait(short events, deadline until);
  result<reply> await_reply(const std::string& command, deadline until);
  void await_posted(deadline until);
  void keep(event what);
  void drain();
  fault lost(const std::string& why);

  int socket_ = -1;
  const std::string path_;
  const clock_source& clock_;
  greeting version_;
  line_reader lines_;
  std::deque<heard> events_;
  std::optional<fault> lost_;
  std::optional<std::string> posted_; ///< Not answered yet.
  std::optional<result<reply>> posted_answer_;
};

} // namespace foreshift::qmp
