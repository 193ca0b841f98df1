// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/extent_store.hpp"
#include "core/volume/copy_pace.hpp"
#include "core/volume/nbd_link.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace foreshift {

struct pull_source {
  std::string host;
  std::string address; ///< Its NBD face.
  nbd_link_options link;
};

struct pull_totals {
  std::uint64_t bytes_copied = 0;  ///< Read from the source.
  std::uint64_t bytes_skipped = 0; ///< Of them, already filled by mirrored writes.
};

/// Fills staged copies of `extents` from the source's copy export, many reads in flight over two
/// connections, as fast as `pace` lets it store. The first fault ends it: `corrupt` names the
/// extent whose checksum failed at the source, `unreachable` the host, `refused` a move that does
/// not own the copies (any more).
result<pull_totals> pull_extents(const pull_source& source, std::uint64_t move,
                                 std::span<const std::uint32_t> extents, volume_extents& into,
                                 copy_pace& pace);

} // namespace foreshift
