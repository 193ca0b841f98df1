// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/targets.hpp"
#include "core/volume/placement.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace foreshift {

/// Copies to the hosts where volumes are likely to go, although nobody has said so.
struct speculation_rules {
  std::uint64_t targets = 0;                 ///< So many hosts a volume; 0: nothing is copied.
  std::uint64_t budget_bytes = 256ull << 20; ///< At most so much of one volume, at all of them.
};

/// How often a volume went to each host.
using visit_counts = std::map<std::string, std::uint32_t>;

/// The most likely of ranked targets (see `rank`), at most `count`: first where the volume went
/// most often, then as they are ranked. Only those that are targets.
std::vector<std::string> likely_targets(const std::vector<target>& ranked,
                                        const visit_counts& visits, std::uint64_t count);

/// What speculative copies cost and what became of them, in bytes of whole extents: copied is held,
/// used or wasted. Pure. One thread.
class speculation_ledger {
public:
  struct totals {
    std::uint64_t copied = 0, used = 0, wasted = 0;
    std::uint64_t held() const { return copied - used - wasted; }
  };

  /// This has been proposed for the volume: it counts once the map has it.
  void propose(std::uint64_t volume, const std::string& host,
               const std::vector<std::uint32_t>& extents);

  /// Looks at the present map: what arrived, what is gone, and whether the volume itself is there.
  void look(const placement_map& map, const std::string& holder);

  /// The volume is no more.
  void forget(std::uint64_t volume);

  /// What is held of the volume, by host; and in bytes at all of them, or at one.
  std::map<std::string, roaring::Roaring> held(std::uint64_t volume) const;
  std::uint64_t held_bytes(std::uint64_t volume) const;
  std::uint64_t held_bytes(std::uint64_t volume, const std::string& host) const;
  const totals& sum() const { return sum_; }

private:
  struct copies {
    roaring::Roaring proposed; ///< Not there yet.
    roaring::Roaring held;
    std::uint64_t extent_bytes = 0;
  };

  std::map<std::pair<std::uint64_t, std::string>, copies> copies_;
  totals sum_;
};

} // namespace foreshift
