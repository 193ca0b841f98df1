// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/limits/slowdown_pacer.hpp"

#include <cstdint>
#include <optional>

namespace foreshift {

struct ram_pace_options {
  std::uint64_t bandwidth_max = 0; ///< Bytes a second, whatever the guest does; 0: unlimited.
  double tolerated = 0.5;          ///< The guest's requests may take this share longer.
};

/// What was seen of a RAM stream and its guest at one moment.
struct ram_look {
  std::int64_t now_us = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t dirty_bytes = 0; ///< Per second.
  foreground_totals guest{};
};

/// How fast a RAM stream may go so that its guest's disks, which share link and processors with
/// it, keep their pace. The link is what the stream was seen to achieve. While requests take longer
/// than tolerated the limit shrinks in proportion; else it grows, and ends at the link's own rate
/// (AIMD). A limit that does not make requests faster is lifted for a while: then something else
/// slows them. Never below a quarter of the link nor below twice what the guest dirties, so that
/// the stream ends. Pure, one thread.
class ram_pace {
public:
  explicit ram_pace(ram_pace_options options) : options_(options) {}

  /// The guest without a stream; the first and the last of several looks count.
  void quiet(foreground_totals guest);

  /// While the stream runs: the bandwidth to set, where it changes; 0: unlimited.
  std::optional<std::uint64_t> look(const ram_look& now);

  /// Bytes a second that the link was seen to carry; 0: not known yet.
  double link() const { return link_; }

private:
  double usual_ns() const;
  double shrunk(double slowdown, double rate) const;
  double least(const ram_look& now) const;
  std::optional<std::uint64_t> set(double limit);
  double ceiling() const;

  const ram_pace_options options_;
  std::optional<foreground_totals> quiet_first_, quiet_last_;
  std::optional<ram_look> last_;
  foreground_totals judged_{}; ///< Up to here the guest's requests have been judged.
  double link_ = 0;
  double limit_ = 0;         ///< 0: none.
  double slowdown_free_ = 0; ///< When the stream was first limited.
  int limited_looks_ = 0;
  int idle_looks_ = 0; ///< So long no limit is tried.
  int windows_ = 0;
};

} // namespace foreshift
