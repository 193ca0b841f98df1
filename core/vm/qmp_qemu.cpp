// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_qemu.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace foreshift {

namespace {

using json = nlohmann::json;
using namespace std::chrono_literals;

/// A QEMU that is about to stop its guest answers late: it holds the big lock while it drains.
constexpr auto answer_timeout = 10s;

constexpr double bytes_per_mbit = 1e6 / 8;

std::uint64_t number(const json& in, const char* key) {
  auto at = in.is_object() ? in.find(key) : in.end();
  if (in.is_object() && at != in.end() && at->is_number_unsigned())
    return at->get<std::uint64_t>();
  return 0;
}

std::string text(const json& in, const char* key) {
  if (!in.is_object())
    return {};
  auto at = in.find(key);
  return at != in.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

const json& member(const json& in, const char* key) {
  static const json none = json::object();
  if (!in.is_object())
    return none;
  auto at = in.find(key);
  return at != in.end() ? *at : none;
}

json capability(const char* name) {
  return {{"capability", name}, {"state", true}};
}

} // namespace

guest_state guest_state_of(std::string_view word) {
  constexpr std::pair<std::string_view, guest_state> words[] = {
      {"running", guest_state::running},        {"suspended", guest_state::running},
      {"paused", guest_state::paused},          {"prelaunch", guest_state::paused},
      {"io-error", guest_state::paused},        {"inmigrate", guest_state::incoming},
      {"finish-migrate", guest_state::leaving}, {"postmigrate", guest_state::left},
  };
  for (auto [said, state] : words)
    if (word == said)
      return state;
  return guest_state::broken;
}

stream_state stream_state_of(std::string_view word) {
  constexpr std::pair<std::string_view, stream_state> words[] = {
      {"setup", stream_state::active},
      {"active", stream_state::active},
      {"wait-unplug", stream_state::active},
      {"cancelling", stream_state::active},
      {"pre-switchover", stream_state::pre_switchover},
      {"device", stream_state::device},
      {"completed", stream_state::completed},
      {"failed", stream_state::failed},
      {"cancelled", stream_state::canceled},
  };
  for (auto [said, state] : words)
    if (word == said)
      return state;
  return stream_state::none;
}

fault qmp_qemu::named(const fault& why) const {
  return {why.code, name_ + ": " + why.detail};
}

result<qmp::reply> qmp_qemu::ask(const std::string& command, const json& arguments) {
  auto got = monitor_->execute(command, arguments, answer_timeout);
  return got ? got : named(got.error());
}

result<qmp::reply> qmp_qemu::ask(const std::string& command) {
  return ask(command, json::object());
}

result<void> qmp_qemu::tell(const std::string& command) {
  auto got = ask(command);
  return got ? result<void>{} : got.error();
}

result<guest_state> qmp_qemu::guest() {
  auto got = ask("query-status");
  if (!got)
    return got.error();
  return guest_state_of(text(*got->value, "status"));
}

result<stream_view> qmp_qemu::stream() {
  auto got = ask("query-migrate");
  if (!got)
    return got.error();
  auto& ram = member(*got->value, "ram");
  stream_view out;
  out.state = stream_state_of(text(*got->value, "status"));
  out.sent_bytes = number(ram, "transferred");
  out.remaining_bytes = number(ram, "remaining");
  out.dirty_bytes = number(ram, "dirty-pages-rate") * number(ram, "page-size");
  if (auto& mbps = member(ram, "mbps"); mbps.is_number() && mbps.get<double>() > 0)
    out.rate_bytes = static_cast<std::uint64_t>(mbps.get<double>() * bytes_per_mbit);
  out.why = text(*got->value, "error-desc");
  return out;
}

result<std::uint64_t> qmp_qemu::ram_bytes() {
  auto got = ask("query-memory-size-summary");
  if (!got)
    return got.error();
  return number(*got->value, "base-memory") + number(*got->value, "plugged-memory");
}

result<void> qmp_qemu::prepare_source(const stream_options& how) {
  auto wanted = json::array({capability("events"), capability("pause-before-switchover")});
  if (auto done = ask("migrate-set-capabilities", {{"capabilities", wanted}}); !done)
    return done.error();
  json parameters{{"max-bandwidth", how.bandwidth_bytes}};
  if (how.downtime_ms > 0)
    parameters["downtime-limit"] = how.downtime_ms;
  auto done = ask("migrate-set-parameters", parameters);
  return done ? result<void>{} : done.error();
}

result<void> qmp_qemu::prepare_destination() {
  auto done =
      ask("migrate-set-capabilities", {{"capabilities", json::array({capability("events")})}});
  return done ? result<void>{} : done.error();
}

result<std::string> qmp_qemu::accept(const std::string& uri) {
  auto done = ask("migrate-incoming", {{"uri", uri}});
  // Started with `-incoming URI` it listens since then.
  if (!done && done.error().detail.find("already been started") == std::string::npos)
    return done.error();
  bool any_port = uri.starts_with("tcp:") && uri.ends_with(":0");
  if (!any_port)
    return uri;
  auto view = ask("query-migrate");
  if (!view)
    return view.error();
  auto& all = member(*view->value, "socket-address");
  auto port = all.is_array() && !all.empty() ? text(all.front(), "port") : std::string{};
  if (port.empty())
    return named({errc::failed, "QEMU does not say on which port it listens: name one"});
  return uri.substr(0, uri.size() - 1) + port;
}

result<void> qmp_qemu::begin(const std::string& uri) {
  auto done = ask("migrate", {{"uri", uri}});
  return done ? result<void>{} : done.error();
}

result<void> qmp_qemu::set_bandwidth(std::uint64_t bytes) {
  auto done = ask("migrate-set-parameters", {{"max-bandwidth", bytes}});
  return done ? result<void>{} : done.error();
}

void qmp_qemu::ask_to_proceed() {
  asked_to_proceed_ =
      bool(monitor_->post("migrate-continue", {{"state", "pre-switchover"}}, answer_timeout));
}

result<void> qmp_qemu::proceed() {
  if (!std::exchange(asked_to_proceed_, false)) {
    auto done = ask("migrate-continue", {{"state", "pre-switchover"}});
    return done ? result<void>{} : done.error();
  }
  auto done = monitor_->collect(answer_timeout);
  return done ? result<void>{} : named(done.error());
}

result<void> qmp_qemu::cancel() {
  return tell("migrate_cancel");
}
result<void> qmp_qemu::resume() {
  return tell("cont");
}
result<void> qmp_qemu::pause() {
  return tell("stop");
}
result<void> qmp_qemu::quit() {
  return tell("quit");
}

result<disk_totals> qmp_qemu::disks() {
  auto got = ask("query-blockstats");
  if (!got)
    return got.error();
  disk_totals out;
  if (!got->value->is_array())
    return out;
  for (auto& disk : *got->value) {
    auto& stats = member(disk, "stats");
    auto moved = number(stats, "rd_operations") + number(stats, "wr_operations");
    out.requests += moved + number(stats, "flush_operations");
    out.transfers.requests += moved;
    out.transfers.busy_ns += static_cast<std::int64_t>(number(stats, "rd_total_time_ns")
                                                       + number(stats, "wr_total_time_ns"));
  }
  return out;
}

result<std::optional<qmp::heard>> qmp_qemu::next_event(std::chrono::milliseconds timeout) {
  auto got = monitor_->next_event(timeout);
  return got ? got : named(got.error());
}

} // namespace foreshift
