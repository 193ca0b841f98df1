// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_watch.hpp"

#include "core/base/log.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

constexpr auto answer_timeout = 500ms;
constexpr std::int64_t retry_ns = 60'000'000'000;
/// Measuring how fast RAM gets dirty samples pages for a second: not all the time.
constexpr std::int64_t dirty_every_ns = 15'000'000'000;
constexpr std::size_t vms_max = 1024;

double rate(std::uint64_t before, std::uint64_t now, std::int64_t span_ns) {
  return now < before ? 0 : static_cast<double>(now - before) * 1e9 / static_cast<double>(span_ns);
}

double mean_us(std::uint64_t ns_before, std::uint64_t ns_now, std::uint64_t before,
               std::uint64_t now) {
  if (now <= before || ns_now < ns_before)
    return 0;
  return static_cast<double>(ns_now - ns_before) / 1000 / static_cast<double>(now - before);
}

guest_sample between(const qmp::drive& before, const qmp::drive& now, std::int64_t span_ns) {
  guest_sample out;
  out.reads = rate(before.reads, now.reads, span_ns);
  out.writes = rate(before.writes, now.writes, span_ns);
  out.read_bytes = static_cast<std::uint64_t>(rate(before.read_bytes, now.read_bytes, span_ns));
  out.write_bytes = static_cast<std::uint64_t>(rate(before.write_bytes, now.write_bytes, span_ns));
  out.read_us = mean_us(before.read_ns, now.read_ns, before.reads, now.reads);
  out.write_us = mean_us(before.write_ns, now.write_ns, before.writes, now.writes);
  return out;
}

std::set<std::string> sockets_in(const std::string& directory) {
  namespace fs = std::filesystem;
  std::set<std::string> out;
  std::error_code ec;
  for (fs::directory_iterator at{directory, ec}, end; !ec && at != end; at.increment(ec))
    if (out.size() < vms_max && at->is_socket(ec))
      out.insert(at->path().string());
  return out;
}

} // namespace

guest_samples qmp_watch::sample() {
  auto there = sockets_in(directory_);
  std::erase_if(vms_, [&](const auto& x) { return !there.contains(x.first); });
  guest_samples out;
  for (auto& path : there) {
    auto& x = vms_[path];
    auto now = clock_.monotonic_ns();
    if (!x.monitor && now < x.retry_ns)
      continue;
    if (!x.monitor) {
      auto opened = qmp::client::open(path, answer_timeout, clock_);
      if (opened)
        x.monitor = *std::move(opened);
    }
    auto done = x.monitor ? look(x, out) : fault{errc::unreachable, "it does not answer"};
    if (done)
      continue;
    slog::info("a VM's monitor cannot be used, trying again in a minute: {}: {}", path,
               done.error().detail);
    x = {};
    x.retry_ns = now + retry_ns;
  }
  return out;
}

result<void> qmp_watch::look(vm& x, guest_samples& out) {
  auto blocks = x.monitor->execute("query-block", answer_timeout);
  if (!blocks)
    return blocks.error();
  auto stats = x.monitor->execute("query-blockstats", answer_timeout);
  if (!stats)
    return stats.error();
  auto now = clock_.monotonic_ns();
  if (auto done = look_at_ram(x, now); !done)
    return done;
  for (bool more = true; more;) { // nobody else wants its events
    auto event = x.monitor->next_event(0ms);
    more = event && event->has_value();
  }
  std::map<std::string, qmp::drive> all;
  for (auto& drive : qmp::drives_of(*blocks->value, *stats->value))
    all[drive.volume] = drive;
  for (auto& [volume, drive] : all) {
    auto before = x.before.find(volume);
    bool known = before != x.before.end() && now > x.at_ns;
    auto one = known ? between(before->second, drive, now - x.at_ns) : guest_sample{};
    one.volume = volume;
    one.source = "qmp";
    one.dirty_bytes = x.dirty_bytes;
    out.push_back(std::move(one));
  }
  x.before = std::move(all);
  x.at_ns = now;
  return {};
}

/// A QEMU that cannot measure it, or does so for a migration, is none the worse.
result<void> qmp_watch::look_at_ram(vm& x, std::int64_t now_ns) {
  if (x.dirty_asked_ns != 0 && now_ns - x.dirty_asked_ns < dirty_every_ns)
    return {};
  auto measured = x.monitor->execute("query-dirty-rate", answer_timeout);
  if (!measured && measured.error().code != errc::failed)
    return measured.error();
  if (measured && x.dirty_asked_ns != 0)
    x.dirty_bytes = qmp::dirty_bytes_in(*measured->value);
  auto asked = x.monitor->execute("calc-dirty-rate", {{"calc-time", 1}}, answer_timeout);
  if (!asked && asked.error().code != errc::failed)
    return asked.error();
  x.dirty_asked_ns = now_ns;
  return {};
}

} // namespace foreshift
