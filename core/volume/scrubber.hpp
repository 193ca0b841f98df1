// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/limits/limits.hpp"
#include "core/limits/slowdown_pacer.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

class plane;
struct plane_volume;

struct scrub_options {
  std::chrono::milliseconds light_every{std::chrono::hours{24}};
  std::chrono::milliseconds full_every{std::chrono::hours{14 * 24}}; ///< All is checked in so long.
  std::uint64_t rate_bytes = 32u << 20; ///< A second, at most; less while it slows clients down.
};

/// What must survive a restart: where a pass is, and when the last ones were complete.
struct scrub_progress {
  enum class pass { none, light, full };

  pass running = pass::none;
  std::uint64_t volume = 0; ///< The next one to look at, with the extent.
  std::uint32_t extent = 0;
  std::uint64_t done_bytes = 0;
  std::uint64_t stray_bytes = 0;
  std::int64_t since_ms = 0; ///< When this host first scrubbed: passes are due from then on.
  std::int64_t light_ms = 0; ///< When the last pass was complete; 0: never.
  std::int64_t full_ms = 0;

  friend bool operator==(const scrub_progress&, const scrub_progress&) = default;
};

/// "full 7 42 ..."; nothing for text that is not such a record.
std::string encode(const scrub_progress& x);
std::optional<scrub_progress> decode_scrub_progress(std::string_view text);

struct scrub_status {
  scrub_progress progress;
  std::uint64_t total_bytes = 0; ///< Of the running pass.
  std::uint64_t rate_bytes = 0;  ///< A second, of late.
  std::uint64_t corrupt = 0;     ///< Extents found and not repaired yet.
};

/// Looks for damage on this host before anybody needs the data: a light pass compares records with
/// files, a full one checks every block against its checksum. What it finds (and what reads have
/// found) it has the volume's primary rewrite from a good copy. One thread steps; the rest any.
class scrubber {
public:
  scrubber(plane& host, scrub_options options);

  /// Does a little and returns how long to wait before the next step.
  std::chrono::nanoseconds step();

  /// Begins a pass at the next step; a light one only if none is running.
  void start(bool full);

  scrub_status status() const;

private:
  using pass = scrub_progress::pass;

  void load();
  void save();
  void begin(pass which);
  pass due(std::int64_t now_ms);
  bool next_extent(std::uint32_t& extent);
  std::chrono::nanoseconds light_step();
  std::chrono::nanoseconds full_step();
  void finish();
  void measure(std::int64_t now_ns);
  void repair_found();
  void repair(plane_volume& volume, const std::vector<std::uint32_t>& extents);
  std::uint64_t corrupt_extents() const;

  plane& plane_;
  const scrub_options options_;
  slowdown_pacer pace_;
  token_bucket tokens_;
  std::int64_t sampled_ns_ = 0;
  std::uint64_t sampled_bytes_ = 0;
  std::int64_t repaired_ns_ = 0;
  std::int64_t saved_ns_ = 0;
  std::chrono::nanoseconds repair_pause_{0};
  bool loaded_ = false;

  mutable std::mutex mutex_; ///< What others ask for and about.
  scrub_progress progress_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t rate_bytes_ = 0;
  std::optional<pass> asked_;
};

} // namespace foreshift
