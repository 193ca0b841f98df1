// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace foreshift {

/// Finds an extent's place in an array that lies elsewhere. Open addressing, 6 to 14 bytes an
/// extent. One thread.
class slot_index {
public:
  static constexpr std::uint32_t none = ~0u;

  /// The place of `extent` in `extents`, or `none`.
  std::uint32_t find(const std::vector<std::uint32_t>& extents, std::uint32_t extent) const {
    return homes_[home_of(extents, extent)] - 1; // 0 - 1 is `none`
  }

  /// `extents.back()` is new. False when it was there already.
  bool added(const std::vector<std::uint32_t>& extents) {
    if (5 * extents.size() > 3 * homes_.size())
      return rebuild(extents);
    auto& home = homes_[home_of(extents, extents.back())];
    if (home != 0)
      return false;
    home = static_cast<std::uint32_t>(extents.size());
    return true;
  }

  /// False when an extent is there twice.
  bool rebuild(const std::vector<std::uint32_t>& extents) {
    homes_.assign(std::bit_ceil(std::max<std::size_t>(64, 5 * extents.size() / 3 + 1)), 0);
    for (std::uint32_t slot = 0; slot < extents.size(); ++slot) {
      auto& home = homes_[home_of(extents, extents[slot])];
      if (home != 0)
        return false;
      home = slot + 1;
    }
    return true;
  }

private:
  static std::uint32_t hash_of(std::uint32_t extent) {
    return static_cast<std::uint32_t>((extent * 0x9e3779b97f4a7c15ull) >> 32);
  }

  std::size_t home_of(const std::vector<std::uint32_t>& extents, std::uint32_t extent) const {
    auto mask = static_cast<std::uint32_t>(homes_.size() - 1);
    auto at = hash_of(extent) & mask;
    while (homes_[at] != 0 && extents[homes_[at] - 1] != extent)
      at = (at + 1) & mask;
    return at;
  }

  std::vector<std::uint32_t> homes_ = std::vector<std::uint32_t>(64); ///< Slot + 1, or 0.
};

} // namespace foreshift
