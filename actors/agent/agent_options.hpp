// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/plane_runner.hpp"
#include "core/base/config.hpp"
#include "core/base/units.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace foreshift {

/// Everything an operator can set for one host. The keys of the TOML file are named after these.
struct agent_options {
  std::string name;
  std::string zone;
  std::string data;

  std::vector<std::string> coordinators;

  std::string door_listen = "127.0.0.1:7401";
  std::string door_advertise;

  std::string plane_listen = "127.0.0.1:10809";
  std::string plane_advertise;
  std::string plane_door = "127.0.0.1:10810";
  std::string plane_door_advertise;
  std::string plane_socket;
  std::uint64_t plane_threads = 1;
  std::string plane_nbdkit = "nbdkit";
  std::string plane_plugin;
  std::uint64_t plane_reserve_bytes = 256 * mib;
  std::chrono::milliseconds plane_hold{30'000};
  std::chrono::milliseconds plane_peer_timeout{3'000};
  bool plane_stop_with_agent = false;
  bool plane_access_log = true;

  std::chrono::milliseconds scrub_light{24 * 3'600'000};
  std::chrono::milliseconds scrub_full{14 * 86'400'000};
  std::uint64_t scrub_rate_bytes = 32 * mib;

  std::string certificate;
  std::string key;
  std::string ca;

  std::string log_level = "info";

  std::uint64_t history_bytes_max = gib;
  std::chrono::milliseconds history_age_max{7 * 86'400'000};

  std::uint64_t move_rate_bytes = 64 * mib;
  std::uint64_t move_rate_bytes_min = 4 * mib;
  std::uint64_t move_slowdown = 10;

  std::string guests_qmp;
  std::string guests_libvirt;

  std::chrono::milliseconds sample_interval{1000};
  std::chrono::milliseconds forecast_window{1000};
  std::chrono::milliseconds forecast_horizon{60'000};
  std::chrono::milliseconds forecast_interval{2000};
  double forecast_cpu_share = 0.25;
  std::uint64_t forecast_memory_bytes_max = 512 * mib;

  /// What the runner of the data plane needs of it.
  plane_process_options plane() const;
};

/// Binds every key to `options`, which must outlive the reader.
void bind_options(config_reader& in, agent_options& options);

/// Reads a file, fills what follows from other keys (`plugin_default` if no plugin is named) and
/// checks all of it. `invalid` with a sentence that names the key.
result<agent_options> read_agent_options(const std::string& path,
                                         const std::string& plugin_default);

/// The same for text, for tests.
result<agent_options> parse_agent_options(const std::string& toml,
                                          const std::string& plugin_default);

/// A commented file with every key.
std::string agent_options_example();

} // namespace foreshift
