// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace foreshift {

/// The one data plane process of a host, as the supervisor needs it. One thread; nothing here
/// waits.
class plane_runner {
public:
  virtual ~plane_runner() = default;

  /// Starts the process and returns its pid. `storage`: a socket cannot be bound or a file written;
  /// `failed`: the program cannot be executed.
  virtual result<std::uint32_t> start() = 0;

  /// Watches a process that somebody else started. `not_found` when it is already gone.
  virtual result<void> adopt(std::uint32_t pid) = 0;

  /// The pid that an earlier agent left on disk, if that process still lives and is our data plane.
  virtual std::optional<std::uint32_t> recorded() const = 0;

  /// Whether the watched process has ended; true when none is watched.
  virtual bool gone() = 0;

  /// Asks the watched process to end.
  virtual void terminate() = 0;

  /// What the process said last, for the log sentence about its death.
  virtual std::string last_words() const = 0;
};

struct plane_process_options {
  std::string host;
  std::string data;   ///< The agent's data directory; the plane keeps its own below it.
  std::string socket; ///< Unix NBD socket for guests.
  std::string listen; ///< "ADDR:PORT", NBD for peers.
  std::string door;   ///< "ADDR:PORT", the plane's door for peers.
  std::uint64_t threads =
      1; ///< More than one is not safe with nbdkit 1.32: see docs/decisions/0006.
  std::string nbdkit = "nbdkit";
  std::string plugin;
  std::uint64_t reserve_bytes = 256u << 20;
  std::chrono::milliseconds hold{30'000};
  std::chrono::milliseconds peer_timeout{3'000};
  std::uint64_t copy_slowdown = 10; ///< Percent that copies may cost guests.
  std::uint64_t copy_rate_min = 4u << 20;
  bool access_log = true;
  std::string certificate; ///< PEM files; all three or none.
  std::string key;
  std::string ca;

  std::string door_socket() const { return data + "/run/plane.sock"; }
  std::string pid_file() const { return data + "/run/plane.pid"; }
  std::string log_file() const { return data + "/log/plane.log"; }
  std::string tls_dir() const { return data + "/run/tls"; }
  std::string plane_data() const { return data + "/plane"; }
};

/// Runs nbdkit with our plugin. Owns both listening sockets and hands them over by socket
/// activation, so that a client that connects while nbdkit is down waits instead of being refused.
/// Creates the directories below `options.data`, mode 0700.
std::unique_ptr<plane_runner> make_nbdkit_runner(plane_process_options options);

} // namespace foreshift
