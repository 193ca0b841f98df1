// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/agent_options.hpp"

#include "actors/agent/listen_socket.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <tuple>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

fault bad(std::string_view key, std::string_view why) {
  return {errc::invalid, fmt::format("{}: {}", key, why)};
}

bool is_host_name(const std::string& name) {
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name.front())
         && std::all_of(name.begin(), name.end(),
                        [&](char c) { return plain(c) || c == '.' || c == '-'; });
}

result<void> check_listener(std::string_view key, const std::string& address, bool tls) {
  auto parsed = parse_tcp(address);
  if (!parsed)
    return bad(key, parsed.error().detail);
  if (parsed->port == "0")
    return bad(key, "needs a fixed port: others must find it again after a restart");
  if (!parsed->loopback && !tls)
    return bad(key,
               fmt::format("{} can be reached from other machines; set tls.certificate, tls.key "
                           "and tls.ca, or listen on 127.0.0.1",
                           address));
  return {};
}

result<void> check_names(const agent_options& x) {
  if (!is_host_name(x.name))
    return bad("host.name",
               fmt::format("'{}' is not a host name; use a-z, 0-9, '.' and '-'", x.name));
  if (x.data.empty())
    return bad("host.data", "names the directory for this host's state and extents");
  if (x.coordinators.empty())
    return bad("coordinator.address", "names at least one coordinator, like 127.0.0.1:7400");
  auto given = int{!x.certificate.empty()} + int{!x.key.empty()} + int{!x.ca.empty()};
  if (given != 0 && given != 3)
    return bad("tls", "certificate, key and ca go together: set all three or none");
  return {};
}

result<void> check_numbers(const agent_options& x) {
  constexpr std::array levels{"trace", "debug", "info", "warn", "error", "off"};
  if (std::find(levels.begin(), levels.end(), x.log_level) == levels.end())
    return bad("log.level",
               fmt::format("'{}' is none of trace, debug, info, warn, error, off", x.log_level));
  if (x.move_rate_bytes == 0 || x.move_rate_bytes_min == 0)
    return bad("moves.rate", "and moves.rate_min must be more than 0");
  if (x.move_rate_bytes_min > x.move_rate_bytes)
    return bad("moves.rate_min", "must not be above moves.rate");
  if (x.scrub_rate_bytes < mib)
    return bad("scrub.rate", "must be at least 1MiB");
  if (x.forecast_cpu_share < 0.01)
    return bad("forecast.cpu_max", "must be at least 1 %");
  if (x.forecast_memory_bytes_max < mib)
    return bad("forecast.memory_max", "must be at least 1MiB");
  if (x.history_bytes_max < mib)
    return bad("history.size_max", "must be at least 1MiB");
  for (auto [key, value, low, high] :
       {std::tuple{"sample.interval", x.sample_interval, 100ms, 60'000ms},
        std::tuple{"forecast.window", x.forecast_window, 100ms, 3'600'000ms},
        std::tuple{"forecast.horizon", x.forecast_horizon, 1000ms, 86'400'000ms},
        std::tuple{"forecast.interval", x.forecast_interval, 100ms, 3'600'000ms},
        std::tuple{"history.age_max", x.history_age_max, 1000ms, 3650 * 86'400'000ms},
        std::tuple{"scrub.light", x.scrub_light, 1000ms, 365 * 86'400'000ms},
        std::tuple{"scrub.full", x.scrub_full, 1000ms, 365 * 86'400'000ms},
        std::tuple{"plane.hold", x.plane_hold, 100ms, 3'600'000ms},
        std::tuple{"plane.peer_timeout", x.plane_peer_timeout, 100ms, 60'000ms}})
    if (value < low || value > high)
      return bad(key, fmt::format("{} ms is outside {} ms to {} ms", value.count(), low.count(),
                                  high.count()));
  return {};
}

result<void> check(const agent_options& x) {
  bool tls = !x.certificate.empty();
  if (auto ok = check_names(x); !ok)
    return ok;
  if (auto ok = check_listener("door.listen", x.door_listen, tls); !ok)
    return ok;
  if (auto ok = check_listener("plane.listen", x.plane_listen, tls); !ok)
    return ok;
  if (auto ok = check_listener("plane.door", x.plane_door, tls); !ok)
    return ok;
  return check_numbers(x);
}

result<agent_options> finish(agent_options x, const std::string& plugin_default) {
  if (!x.data.empty())
    x.data = std::filesystem::absolute(x.data).lexically_normal().string();
  while (x.data.size() > 1 && x.data.back() == '/')
    x.data.pop_back();
  auto fill = [](std::string& key, const std::string& value) {
    if (key.empty())
      key = value;
  };
  fill(x.plane_socket, x.data + "/run/nbd.sock");
  fill(x.plane_plugin, plugin_default);
  fill(x.door_advertise, x.door_listen);
  fill(x.plane_advertise, x.plane_listen);
  fill(x.plane_door_advertise, x.plane_door);
  if (auto ok = check(x); !ok)
    return ok.error();
  return x;
}

} // namespace

plane_process_options agent_options::plane() const {
  return {.host = name,
          .data = data,
          .socket = plane_socket,
          .listen = plane_listen,
          .door = plane_door,
          .threads = plane_threads,
          .nbdkit = plane_nbdkit,
          .plugin = plane_plugin,
          .reserve_bytes = plane_reserve_bytes,
          .hold = plane_hold,
          .peer_timeout = plane_peer_timeout,
          .copy_slowdown = move_slowdown,
          .copy_rate_min = move_rate_bytes_min,
          .scrub_light = scrub_light,
          .scrub_full = scrub_full,
          .scrub_rate_bytes = scrub_rate_bytes,
          .access_log = plane_access_log,
          .certificate = certificate,
          .key = key,
          .ca = ca};
}

void bind_options(config_reader& in, agent_options& x) {
  in.text("host.name", x.name, "name of this host, unique in the cell: a-z, 0-9, '.' and '-'");
  in.require("host.name");
  in.text("host.zone", x.zone, "failure domain, like a rack; empty: the host is its own");
  in.text("host.data", x.data,
          "directory for this host's state and extents (created, mode 0700); keep the path short, "
          "unix sockets live below it");
  in.require("host.data");
  in.texts("coordinator.address", x.coordinators,
           "where the coordinators listen; the agent speaks with one and tries the next when it is "
           "lost");
  in.require("coordinator.address");
  in.text("door.listen", x.door_listen, "where this agent listens for the coordinator");
  in.text("door.advertise", x.door_advertise,
          "what the coordinator should connect to; empty: door.listen");
  in.text("plane.listen", x.plane_listen, "where the data plane serves NBD to other hosts");
  in.text("plane.advertise", x.plane_advertise,
          "what other hosts should connect to, perhaps a proxy's address; empty: plane.listen");
  in.text("plane.door", x.plane_door, "where the data plane takes commands from other data planes");
  in.text("plane.door_advertise", x.plane_door_advertise,
          "what other data planes should connect to; empty: plane.door");
  in.text("plane.socket", x.plane_socket,
          "unix socket where guests attach volumes over NBD; empty: run/nbd.sock below host.data");
  in.number(
      "plane.threads", x.plane_threads, 1, 256,
      "nbdkit's threads per connection; with nbdkit 1.32 more than one lets a guest that breaks "
      "off end the data plane");
  in.text("plane.nbdkit", x.plane_nbdkit,
          "the nbdkit program: a name looked up in PATH, or a path");
  in.text("plane.plugin", x.plane_plugin,
          "our nbdkit plugin; empty: nbdkit-foreshift-plugin.so beside the agent's program");
  in.bytes("plane.reserve", x.plane_reserve_bytes, "disk space that extents never use");
  in.duration("plane.hold", x.plane_hold,
              "how long a guest's request may wait for a lease before it fails");
  in.duration("plane.peer_timeout", x.plane_peer_timeout,
              "silence of another host's data plane after which it counts as failed; a flush may "
              "take three times as long");
  in.flag("plane.stop_with_agent", x.plane_stop_with_agent,
          "true: stopping the agent stops the data plane; false: it goes on serving guests");
  in.flag("plane.access_log", x.plane_access_log,
          "true: every request is noted, for the forecasts; false: this host's volumes are not "
          "learned");
  in.duration("scrub.light", x.scrub_light, "how often extents' records are compared with files");
  in.duration("scrub.full", x.scrub_full,
              "within what time every stored block is checked against its checksum");
  in.bytes("scrub.rate", x.scrub_rate_bytes,
           "bytes a second that checking reads at most; less while it slows guests down");
  in.text("tls.certificate", x.certificate,
          "PEM certificate of this host, common name agent:NAME; needed unless all listeners are "
          "loopback");
  in.text("tls.key", x.key, "PEM private key of the certificate");
  in.text("tls.ca", x.ca, "PEM certificate of the authority that signed every member of the cell");
  in.text("log.level", x.log_level, "trace, debug, info, warn or error");
  in.bytes("history.size_max", x.history_bytes_max, "disk space of the access history");
  in.duration("history.age_max", x.history_age_max, "age at which access history is erased");
  in.bytes("moves.rate", x.move_rate_bytes,
           "bytes per second that moves towards this host may use at most");
  in.number("moves.slowdown", x.move_slowdown, 1, 100,
            "percent by which moves may slow down the guests of this host, to or from it");
  in.bytes("moves.rate_min", x.move_rate_bytes_min,
           "bytes per second that moves keep even if guests are slower than that");
  in.text("guests.qmp", x.guests_qmp,
          "directory of QEMU monitors (unix sockets) that are for the agent alone, to measure VMs; "
          "empty: none");
  in.text("guests.libvirt", x.guests_libvirt,
          "libvirt to measure VMs through, like qemu:///system, only read from; empty: none");
  in.duration("sample.interval", x.sample_interval,
              "how often host, volumes and VCIs are measured");
  in.duration("forecast.window", x.forecast_window, "accesses are folded into counts per window");
  in.duration("forecast.horizon", x.forecast_horizon,
              "how far ahead accesses are predicted; the coordinator may ask for another");
  in.duration("forecast.interval", x.forecast_interval,
              "how often predictions are made; the coordinator may ask for another");
  in.share("forecast.cpu_max", x.forecast_cpu_share,
           "share of one core that forecasting may use; beyond it predictions are made less often "
           "and, where that is not enough, accesses are left out");
  in.bytes("forecast.memory_max", x.forecast_memory_bytes_max,
           "memory for what is known of extents; beyond it the coldest are forgotten");
}

result<agent_options> read_agent_options(const std::string& path,
                                         const std::string& plugin_default) {
  agent_options x;
  config_reader in;
  bind_options(in, x);
  if (auto ok = in.read_file(path); !ok)
    return ok.error();
  auto done = finish(std::move(x), plugin_default);
  if (!done)
    return fault{done.error().code, path + ": " + done.error().detail};
  return done;
}

result<agent_options> parse_agent_options(const std::string& toml,
                                          const std::string& plugin_default) {
  agent_options x;
  config_reader in;
  bind_options(in, x);
  if (auto ok = in.read_text(toml, "agent.toml"); !ok)
    return ok.error();
  return finish(std::move(x), plugin_default);
}

std::string agent_options_example() {
  agent_options x;
  x.name = "host-a";
  x.data = "/var/lib/foreshift";
  x.coordinators = {"127.0.0.1:7400"};
  config_reader in;
  bind_options(in, x);
  return in.example();
}

} // namespace foreshift
