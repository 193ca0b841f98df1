// SPDX-License-Identifier: Apache-2.0
#include "agents/coordinator/coordinator_options.hpp"

#include "core/base/config.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <tuple>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

void name_keys(config_reader& in, coordinator_options& x) {
  in.text("data", x.data, "directory for the coordinator's state; created 0700");
  in.text("door.listen", x.listen,
          "where agents and tools connect; other than loopback needs tls.*");
  in.text(
      "http.listen", x.http_listen,
      "JSON verbs and metrics over HTTP, as on 127.0.0.1:7480; empty: none; else as door.listen");
  in.text("tls.certificate", x.certificate, "PEM file; common name \"coordinator\"");
  in.text("tls.key", x.key, "PEM file");
  in.text("tls.ca", x.ca, "PEM file of the authority that signs everybody's certificates");
  in.text("log.level", x.log_level, "trace, debug, info, warn or error");
  in.flag("policy.background", x.rules.background,
          "copy hot extents towards attached volumes' hosts without being asked");
  in.bytes("policy.budget", x.rules.budget_bytes, "most bytes that one plan moves");
  in.duration("policy.hold", x.rules.hold,
              "how long after a flip the background leaves a volume alone");
  in.duration("policy.flip_timeout", x.rules.flip_timeout, "for the takeover of a flip");
  in.duration("replicas.grace", x.rules.grace,
              "how long a failed host may stay away before its replicas are made anew elsewhere");
  in.bytes("moves.rate", x.rules.move_rate_bytes, "bytes per second, over all moves of the cell");
  in.duration("report.interval", x.rules.report_interval, "how often agents report");
  in.duration("report.silence_max", x.rules.silence_max, "a host silent for longer is down");
  in.duration("forecast.interval", x.rules.forecast_interval, "how often agents forecast");
  in.duration("forecast.horizon", x.rules.horizon, "how far forecasts look ahead");
  in.duration("cycle.interval", x.rules.cycle_interval, "how often scores and plans are made anew");
  in.require("data");
}

result<void> check(const coordinator_options& x) {
  auto bad = [](std::string_view key, const std::string& why) {
    return fault{errc::invalid, fmt::format("{}: {}", key, why)};
  };
  auto given = int{!x.certificate.empty()} + int{!x.key.empty()} + int{!x.ca.empty()};
  if (given != 0 && given != 3)
    return bad("tls", "certificate, key and ca go together: set all three or none");
  if (x.rules.move_rate_bytes < mib)
    return bad("moves.rate", "must be at least 1MiB");
  if (x.rules.budget_bytes < mib)
    return bad("policy.budget", "must be at least 1MiB");
  for (auto [key, value, low, high] :
       {std::tuple{"policy.flip_timeout", x.rules.flip_timeout, 100ms, 50'000ms},
        std::tuple{"replicas.grace", x.rules.grace, 1000ms, 2'592'000'000ms},
        std::tuple{"report.interval", x.rules.report_interval, 100ms, 60'000ms},
        std::tuple{"report.silence_max", x.rules.silence_max, 500ms, 600'000ms},
        std::tuple{"forecast.interval", x.rules.forecast_interval, 100ms, 3'600'000ms},
        std::tuple{"forecast.horizon", x.rules.horizon, 1000ms, 86'400'000ms},
        std::tuple{"cycle.interval", x.rules.cycle_interval, 100ms, 60'000ms}})
    if (value < low || value > high)
      return bad(key, fmt::format("{} ms is outside {} ms to {} ms", value.count(), low.count(),
                                  high.count()));
  if (x.rules.silence_max < 2 * x.rules.report_interval)
    return bad("report.silence_max", "must be at least twice report.interval");
  return {};
}

template <class Read>
result<coordinator_options> read(Read from, const std::string& name) {
  coordinator_options x;
  config_reader in;
  name_keys(in, x);
  if (auto ok = from(in); !ok)
    return ok.error();
  if (auto ok = check(x); !ok)
    return fault{ok.error().code, fmt::format("{}: {}", name, ok.error().detail)};
  return x;
}

} // namespace

result<coordinator_options> read_coordinator_options(const std::string& path) {
  return read([&](const config_reader& in) { return in.read_file(path); }, path);
}

result<coordinator_options> parse_coordinator_options(std::string_view toml,
                                                      const std::string& name) {
  return read([&](const config_reader& in) { return in.read_text(toml, name); }, name);
}

std::string coordinator_options_example() {
  coordinator_options x;
  x.data = "/var/lib/foreshift/coordinator";
  config_reader in;
  name_keys(in, x);
  return in.example();
}

} // namespace foreshift
