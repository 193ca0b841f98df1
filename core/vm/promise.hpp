// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/vm/account.hpp"

#include <span>

namespace foreshift {

/// A VM's migration that came to a good end: what was said and what came true.
struct vm_past {
  vm_promise said;
  vm_account came;
  std::uint64_t bytes_moved = 0;
};

/// What is known of a migration before it begins.
struct vm_prospect {
  std::uint64_t bytes = 0;           ///< Of extents to copy.
  std::uint64_t rate_bytes = 0;      ///< At which they may be copied, per second; 0: unlimited.
  std::uint64_t ram_bytes = 0;       ///< Of the VM.
  std::uint64_t bandwidth_bytes = 0; ///< Of its RAM stream, per second; 0: as in the past.
};

/// The latest migrations that promises rest on.
inline constexpr std::size_t vm_pasts_max = 64;

/// Promises a migration's cost from those of the cell's past, the latest last. The blackout is
/// their median, within their 5 % to 95 % quantiles (nearest rank), widened by the factor
/// 1 + 2 / sqrt(n) on both sides: with few of them the extremes are yet to come. Without a past no
/// blackout is promised.
vm_promise promise_of(const vm_prospect& next, std::span<const vm_past> past);

/// Promises against what came true, for people and metrics.
void encode_calibration(std::span<const vm_past> past, schema::Calibration::Builder out);

} // namespace foreshift
