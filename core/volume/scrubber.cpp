// SPDX-License-Identifier: Apache-2.0
#include "core/volume/scrubber.hpp"

#include "core/base/log.hpp"
#include "core/volume/plane.hpp"

#include <algorithm>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view record_key = "scrub";
constexpr auto idle_pause = 1s;
constexpr auto sample_every = 1s;
constexpr auto save_every = 5s;
constexpr double burst_bytes = 4.0 * 1024 * 1024;

slowdown_options pace_options(double rate) {
  slowdown_options out;
  out.rate_max = rate;
  out.rate_start = rate / 4;
  out.rate_min = rate / 32;
  return out;
}

double rate_of(const scrub_options& x) {
  return static_cast<double>(std::max<std::uint64_t>(x.rate_bytes, 1));
}

} // namespace

scrubber::scrubber(plane& host, scrub_options options)
    : plane_(host), options_(options),
      pace_(pace_options(rate_of(options)), host.clock().monotonic_ns()),
      tokens_(rate_of(options), burst_bytes, host.clock().monotonic_ns()) {}

void scrubber::load() {
  auto records = plane_.store().list(record_key);
  std::lock_guard lock{mutex_};
  if (records && !records->empty())
    if (auto known = decode_scrub_progress(records->front().second))
      progress_ = *known;
  if (progress_.since_ms == 0)
    progress_.since_ms = plane_.clock().wall_ms();
  loaded_ = true;
}

void scrubber::save() {
  auto text = encode(status().progress);
  if (auto ok = plane_.store().put(record_key, text, false); !ok)
    slog::warn("scrub cannot note its progress: {}", ok.error().detail);
  saved_ns_ = plane_.clock().monotonic_ns();
}

void scrubber::start(bool full) {
  std::lock_guard lock{mutex_};
  if (full || (progress_.running == pass::none && asked_ != pass::full))
    asked_ = full ? pass::full : pass::light;
}

scrub_status scrubber::status() const {
  scrub_status out;
  {
    std::lock_guard lock{mutex_};
    out = {progress_, total_bytes_, rate_bytes_, 0};
  }
  out.corrupt = corrupt_extents();
  return out;
}

std::uint64_t scrubber::corrupt_extents() const {
  std::uint64_t out = 0;
  for (const auto& volume : plane_.volumes())
    out += volume->extents->corrupt_extents().cardinality();
  return out;
}

/// A full pass begins at half of its period, so that it is complete in time.
scrubber::pass scrubber::due(std::int64_t now_ms) {
  std::lock_guard lock{mutex_};
  if (auto asked = std::exchange(asked_, std::nullopt))
    return *asked;
  if (progress_.running != pass::none)
    return pass::none;
  auto since = [&](std::int64_t done_ms) {
    return now_ms - (done_ms == 0 ? progress_.since_ms : done_ms);
  };
  if (since(progress_.full_ms) >= options_.full_every.count() / 2)
    return pass::full;
  if (since(progress_.light_ms) >= options_.light_every.count())
    return pass::light;
  return pass::none;
}

void scrubber::begin(pass which) {
  std::uint64_t total = 0;
  for (const auto& volume : plane_.volumes())
    total += volume->extents->inventory().present.cardinality() * volume->shape.extent_bytes;
  {
    std::lock_guard lock{mutex_};
    progress_.running = which;
    progress_.volume = 0;
    progress_.extent = 0;
    progress_.done_bytes = 0;
    total_bytes_ = total;
  }
  slog::info("scrub begins pass={} bytes={}", which == pass::full ? "full" : "light", total);
  save();
}

void scrubber::finish() {
  {
    std::lock_guard lock{mutex_};
    auto now_ms = plane_.clock().wall_ms();
    if (progress_.running == pass::full)
      progress_.full_ms = now_ms;
    else
      progress_.light_ms = now_ms;
    progress_.running = pass::none;
    rate_bytes_ = 0;
  }
  auto now = status();
  slog::info("scrub is complete bytes={} extents_corrupt={}", now.progress.done_bytes, now.corrupt);
  save();
}

std::chrono::nanoseconds scrubber::light_step() {
  std::uint64_t strays = 0;
  for (const auto& volume : plane_.volumes()) {
    if (!volume->extents->failure().empty())
      continue;
    auto freed = volume->extents->check_files();
    if (freed)
      strays += *freed;
    else
      slog::warn("scrub cannot check volume {}: {}", volume->shape.name, freed.error().detail);
  }
  {
    std::lock_guard lock{mutex_};
    progress_.stray_bytes = strays;
  }
  finish();
  return 0ns;
}

/// The next extent at or after the position; false at the end. Volumes go by id.
bool scrubber::next_extent(std::uint32_t& extent) {
  for (const auto& volume : plane_.volumes()) {
    auto id = volume->shape.id;
    std::lock_guard lock{mutex_};
    if (id < progress_.volume || !volume->extents->failure().empty())
      continue;
    if (id > progress_.volume) {
      progress_.volume = id;
      progress_.extent = 0;
    }
    auto present = volume->extents->inventory().present;
    auto at = present.begin();
    at.equalorlarger(progress_.extent);
    if (at == present.end()) {
      ++progress_.volume;
      progress_.extent = 0;
      continue;
    }
    extent = *at;
    progress_.extent = extent + 1;
    return true;
  }
  return false;
}

std::chrono::nanoseconds scrubber::full_step() {
  std::uint32_t extent = 0;
  if (!next_extent(extent)) {
    finish();
    return 0ns;
  }
  auto volume = plane_.find(status().progress.volume);
  if (!volume)
    return 0ns;
  auto checked = (*volume)->extents->check(extent);
  if (!checked) {
    slog::warn("scrub cannot check extent {} of volume {}: {}", extent, (*volume)->shape.name,
               checked.error().detail);
    return 0ns;
  }
  {
    std::lock_guard lock{mutex_};
    progress_.done_bytes += *checked;
  }
  sampled_bytes_ += *checked;
  auto now_ns = plane_.clock().monotonic_ns();
  if (now_ns - saved_ns_ >= std::chrono::nanoseconds(save_every).count())
    save();
  auto bytes = static_cast<double>(*checked);
  auto guests = [this] { return plane_.foreground(); };
  return std::max(tokens_.take(bytes, now_ns), pace_.take(bytes, guests, now_ns));
}

void scrubber::measure(std::int64_t now_ns) {
  auto took_ns = now_ns - sampled_ns_;
  if (took_ns < std::chrono::nanoseconds(sample_every).count())
    return;
  std::lock_guard lock{mutex_};
  rate_bytes_ = sampled_ns_ == 0 ? 0
                                 : static_cast<std::uint64_t>(static_cast<double>(sampled_bytes_)
                                                              * 1e9 / static_cast<double>(took_ns));
  sampled_bytes_ = 0;
  sampled_ns_ = now_ns;
}

std::chrono::nanoseconds scrubber::step() {
  if (!loaded_)
    load();
  auto now_ns = plane_.clock().monotonic_ns();
  measure(now_ns);
  if (now_ns - repaired_ns_ >= repair_pause_.count())
    repair_found();
  if (auto next = due(plane_.clock().wall_ms()); next != pass::none)
    begin(next);
  switch (status().progress.running) {
  case pass::light:
    return light_step();
  case pass::full:
    return full_step();
  case pass::none:
    break;
  }
  return idle_pause;
}

} // namespace foreshift
