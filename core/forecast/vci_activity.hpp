// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace foreshift {

/// What the VCI behind a volume does, besides its accesses; 0 where it is not known.
struct vci_activity {
  double cpu_share = 0;    ///< Of one core; more than 1 with several.
  double memory_bytes = 0; ///< Per second: RAM dirtied, else faulted in.
  double disk_bytes = 0;   ///< Per second, read and written, of all its disks.
  double request_us = 0;   ///< Mean time of a disk request, as the guest sees it.

  static constexpr std::size_t inputs = 4;

  /// Each within 0..1, for the learned arm.
  std::array<float, inputs> scaled() const {
    auto logarithm = [](double x, double most) {
      return static_cast<float>(std::clamp(std::log2(1 + std::max(x, 0.0)) / most, 0.0, 1.0));
    };
    auto cpu = std::max(cpu_share, 0.0);
    return {static_cast<float>(cpu / (1 + cpu)), logarithm(memory_bytes, 36),
            logarithm(disk_bytes, 36), logarithm(request_us, 24)};
  }
};

} // namespace foreshift
