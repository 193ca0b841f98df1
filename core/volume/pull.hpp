// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/extent_store.hpp"
#include "core/volume/copy_links.hpp"
#include "core/volume/copy_pace.hpp"
#include "core/volume/worker_pool.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace foreshift {

struct pull_source {
  std::string host;
  std::string address; ///< Its NBD face.
};

/// Whole blocks of one extent.
struct pull_range {
  std::uint32_t extent = 0;
  std::uint32_t offset = 0; ///< In the extent.
  std::uint32_t bytes = 0;
};

/// All of these extents.
std::vector<pull_range> whole_extents(const volume_layout& layout,
                                      std::span<const std::uint32_t> extents);

/// Adds the runs of an extent's blocks that are marked.
void add_blocks(std::vector<pull_range>& out, std::uint32_t extent,
                const std::vector<bool>& blocks);

struct pull_totals {
  std::uint64_t bytes_copied = 0;  ///< Read from the source.
  std::uint64_t bytes_skipped = 0; ///< Of them, already filled by mirrored writes.
};

/// Fills ranges of staged copies from the source's copy export, many reads in flight over two
/// connections, one of them driven by a thread of `helpers`, as fast as `pace` lets
/// it store. The first fault ends it: `corrupt`
/// names the extent whose checksum failed at the source, `unreachable` the host, `refused` a move
/// that does not own the copies (any more).
result<pull_totals> pull_extents(const pull_source& source, std::uint64_t move,
                                 std::span<const pull_range> ranges, volume_extents& into,
                                 copy_links& links, copy_pace& pace, worker_pool& helpers);

} // namespace foreshift
