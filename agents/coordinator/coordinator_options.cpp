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
              "how long after a flip nothing is retired or moved on to other hosts");
  in.text("policy.follow", x.follow,
          "what comes to a volume's new host after a flip: expected, all (then the rest, slowly), "
          "none");
  in.duration("policy.flip_timeout", x.rules.flip_timeout, "for the takeover of a flip");
  in.duration("policy.quiet", x.rules.quiet,
              "implicit flip: so long the source's clients must have asked for nothing");
  in.duration("replicas.grace", x.rules.grace,
              "how long a failed host may stay away before its replicas are made anew elsewhere");
  in.bytes("moves.rate", x.rules.rates.cell, "bytes per second, over all moves of the cell");
  in.bytes("moves.rate_host", x.rules.rates.host, "what one host sends and receives; 0: no limit");
  in.bytes("moves.rate_link", x.rules.rates.link, "from one host to another; 0: no limit");
  in.bytes("moves.rate_volume", x.rules.rates.volume, "of one volume; 0: no limit");
  in.number("moves.announced", x.rules.announced_max, 1, 1000,
            "so many volumes are prepared for announced moves at a time, the most urgent first");
  in.bytes("moves.trickle", x.rules.trickle_rate_bytes,
           "of what nobody expects to be used, where follow is all");
  in.number("speculate.targets", x.rules.speculation.targets, 0, 16,
            "copy what is hot to so many hosts where a volume is likely to go; 0: to none");
  in.bytes("speculate.budget", x.rules.speculation.budget_bytes,
           "at most so much of one volume, over all of them");
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
  if (x.rules.rates.cell < mib || x.rules.trickle_rate_bytes < mib)
    return bad("moves", "rate and trickle must be at least 1MiB");
  for (auto [key, value] : {std::pair{"moves.rate_host", x.rules.rates.host},
                            {"moves.rate_link", x.rules.rates.link},
                            {"moves.rate_volume", x.rules.rates.volume}})
    if (value != 0 && value < mib)
      return bad(key, "must be at least 1MiB, or 0 for no limit");
  if (x.rules.budget_bytes < mib)
    return bad("policy.budget", "must be at least 1MiB");
  for (auto [key, value, low, high] :
       {std::tuple{"policy.flip_timeout", x.rules.flip_timeout, 100ms, 50'000ms},
        std::tuple{"policy.quiet", x.rules.quiet, 1ms, 10'000ms},
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
  auto ok = check(x);
  auto rule = parse_follow(x.follow);
  if (ok && (!rule || *rule == follow_rule::CELL))
    ok = fault{errc::invalid, "policy.follow: must be expected, all or none"};
  if (!ok)
    return fault{ok.error().code, fmt::format("{}: {}", name, ok.error().detail)};
  x.rules.follow = *rule;
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
