// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/placement.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace foreshift {

/// What a placement_map is made of; only its own files include this.
namespace placement_parts {

using bitmaps = std::map<host_set, roaring::Roaring>;

bool contains(const host_set& hosts, std::string_view host);
host_set plus(host_set hosts, std::string_view host);
host_set minus(host_set hosts, std::string_view host);

/// The set that lists `extent`, or end.
bitmaps::const_iterator listed(const bitmaps& sets, std::uint32_t extent);

/// Notes, or no longer notes, that `host` has to give up `extent`.
void note_retiring(bitmaps& sets, std::uint32_t extent, std::string_view host, bool retiring);

/// Everything any of the sets lists.
roaring::Roaring all_of(const bitmaps& sets);

/// Everything listed under a set with `host`.
roaring::Roaring all_with(const bitmaps& sets, std::string_view host);

} // namespace placement_parts

/// Home sets as they are asked for: a pointer a partition, each distinct set stored once. Shared by
/// every version of a volume's map; filled in by whichever thread asks first.
class placement_map::home_table {
public:
  explicit home_table(volume_shape of) : shape(std::move(of)) {
    auto partitions = std::size_t{partition_of(shape, shape.extents() - 1)} + 1;
    known_ = std::make_unique<std::atomic<const host_set*>[]>(partitions);
  }

  const host_set& home(std::uint32_t extent) const {
    auto partition = partition_of(shape, extent);
    if (const auto* known = known_[partition].load(std::memory_order_acquire))
      return *known;
    auto hosts = home_of(shape, extent);
    std::lock_guard guard{mutex_};
    const auto& kept = *sets_.insert(std::move(hosts)).first;
    known_[partition].store(&kept, std::memory_order_release);
    return kept;
  }

  const volume_shape shape;

private:
  mutable std::mutex mutex_;
  mutable std::set<host_set> sets_; ///< Nodes never move.
  std::unique_ptr<std::atomic<const host_set*>[]> known_;
};

struct placement_map::content {
  std::shared_ptr<const home_table> homes;
  std::uint64_t version = 1;
  placement_parts::bitmaps exceptions;
  placement_parts::bitmaps retiring;
  std::map<std::string, lost_replica, std::less<>> lost;

  const volume_shape& shape() const { return homes->shape; }
  const host_set& replicas(std::uint32_t extent) const;

  /// From now on `hosts` hold the extent, or all of these extents.
  void place(std::uint32_t extent, const host_set& hosts);
  void place(const roaring::Roaring& extents, const host_set& hosts);

  /// Everything `host` holds in sync.
  roaring::Roaring in_sync(std::string_view host) const;

  /// What `host` holds in sync, by the hosts that have it too; under the empty set what none has.
  placement_parts::bitmaps without(std::string_view host) const;

  /// From now on only those hold these extents, and `host` has lost them.
  void lose(std::string_view host, const placement_parts::bitmaps& left);

  /// Forgets that `host` was lost once nothing of it is lost or retiring.
  void tidy_lost(std::string_view host);

  /// Calls `visit(first, end, home set)` for every partition.
  template <class Visit>
  void each_partition(Visit visit) const {
    auto stride = shape().partition_bytes / shape().extent_bytes;
    for (std::uint64_t first = 0; first < shape().extents(); first += stride)
      visit(first, std::min<std::uint64_t>(first + stride, shape().extents()),
            homes->home(static_cast<std::uint32_t>(first)));
  }
};

} // namespace foreshift
