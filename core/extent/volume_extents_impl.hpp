// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/boot_note.hpp"
#include "core/extent/fence_gate.hpp"
#include "core/extent/intent_log.hpp"
#include "core/extent/residency_table.hpp"
#include "core/extent/segment_file.hpp"
#include "core/extent/store_disk.hpp"
#include "core/extent/watch_notes.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace foreshift {

/// Checks a layout's numbers and that it has an `is_home`. Fails with `invalid`.
result<void> check_layout(const volume_layout& layout);

/// The part of one extent that a request touches.
struct extent_part {
  std::uint32_t extent = 0;
  std::uint64_t offset = 0; ///< In the volume.
  std::uint64_t length = 0;
  std::uint64_t done = 0; ///< Bytes of the request before this part.

  bool whole_blocks() const { return offset % block_bytes == 0 && length % block_bytes == 0; }
};

/// The extents of a volume. The order of locks: promote or moves, then one extent's stripe, then
/// the small ones (staging, sets, segments, fence).
///
///   volume_open.cpp   opening, healing, forgetting
///   volume_io.cpp     requests under a permit
///   volume_moves.cpp  staged copies and their life
///   volume_resync.cpp a replica's return
///   volume_reads.cpp  reads, digests, figures
///   volume_checks.cpp what scrubbing looks at
///   volume_failure.cpp a replica that cannot be trusted
///   volume_fence.cpp  prepare and promote
class volume_extents_impl final : public volume_extents {
public:
  static result<std::shared_ptr<volume_extents_impl>> open(std::shared_ptr<store_disk> disk,
                                                           const volume_layout& layout);

  /// Refuses everything from now on; returns when no request is being served.
  void forget();

  const volume_layout& layout() const override { return layout_; }
  result<void> read(io_permit permit, std::uint64_t offset, std::span<std::byte> out) override;
  result<void> write(io_permit permit, std::uint64_t offset,
                     std::span<const std::byte> in) override;
  result<void> zero(io_permit permit, std::uint64_t offset, std::uint64_t length) override;
  result<void> flush(io_permit permit) override;
  result<void> read_verified(std::uint64_t offset, std::span<std::byte> out) override;
  result<void> stage(std::uint64_t move, std::span<const std::uint32_t> extents) override;
  result<std::uint64_t> fill(std::uint64_t move, std::uint32_t extent,
                             std::uint32_t offset_in_extent,
                             std::span<const std::byte> in) override;
  result<void> sync_staged(std::uint64_t move) override;
  result<void> commit(std::uint64_t move, std::span<const std::uint32_t> extents) override;
  result<void> abort(std::uint64_t move) override;
  result<void> retire(std::span<const std::uint32_t> extents) override;
  result<std::vector<std::uint64_t>> digests(std::span<const std::uint32_t> extents) override;
  result<void> stage_resync(std::uint64_t move, std::span<const std::uint32_t> extents) override;
  result<std::vector<std::vector<std::byte>>>
  block_hashes(std::span<const std::uint32_t> extents) override;
  result<std::vector<bool>> differing(std::uint64_t move, std::uint32_t extent,
                                      std::span<const std::byte> hashes) override;
  result<void> watch(std::uint64_t since) override;
  result<void> unwatch(std::uint64_t since) override;
  std::vector<std::uint64_t> watches() const override { return notes_.watches(); }
  std::optional<roaring::Roaring> changed(std::uint64_t since) const override;
  extent_inventory inventory() const override;
  std::vector<std::uint64_t> moves_staged() const override;
  std::uint64_t corrupt_blocks() const override;
  roaring::Roaring corrupt_extents() const override;
  result<std::uint64_t> check(std::uint32_t extent) override;
  result<std::uint64_t> check_files() override;
  std::string failure() const override;
  std::uint64_t doubt() const override { return boot_.doubt(); }
  result<void> trust(std::uint64_t doubt) override;
  result<void> reopen() override;
  std::uint64_t bytes_present() const override;
  result<void> prepare(std::uint64_t epoch, std::string_view holder) override;
  result<fence_state> promote(std::uint64_t epoch, std::string_view holder) override;
  fence_state fence() const override;

private:
  /// A copy under construction. Its fields are guarded by the extent's stripe.
  struct staged_copy {
    std::uint64_t move = 0;
    bool broken = false;      ///< Its bitmap died with a process, or it is being freed.
    bool basis = false;       ///< Over former data, which outlives the move.
    std::vector<bool> filled; ///< Blocks that a mirrored write has filled.
  };

  volume_extents_impl(std::shared_ptr<store_disk> disk, const volume_layout& layout);

  // Opening.
  result<void> load();
  result<void> load_segments(const extent_inventory& found);
  result<void> free_orphans(const roaring::Roaring& retired);
  result<void> heal_interrupted();

  // Geometry.
  std::uint32_t extent_count() const;
  std::uint64_t extent_offset(std::uint32_t extent) const;
  std::uint64_t extent_length(std::uint32_t extent) const; ///< The last one may be short.
  result<void> check_range(std::uint64_t offset, std::uint64_t length) const;
  result<std::vector<std::uint32_t>> check_extents(std::span<const std::uint32_t> extents) const;
  template <class F>
  result<void> each_part(std::uint64_t offset, std::uint64_t length, F&& act);

  // State.
  extent_state state_of(std::uint32_t extent);
  void change_state(std::uint32_t extent, extent_state to);
  std::mutex& stripe(std::uint32_t extent) { return stripes_[extent % stripes_.size()]; }
  segment_file& segment_at(std::uint64_t offset) const; ///< Must be open.
  result<void> ensure_segment(std::uint64_t offset);
  staged_copy* staged_at(std::uint32_t extent);
  fault stale(io_permit permit) const;
  fault not_here(std::uint32_t extent) const;

  // Requests; the extent's stripe is held.
  result<void> admit_write(io_permit permit, const extent_part& part);
  result<void> admit_mirrored(io_permit permit, const extent_part& part, extent_state state);
  result<void> create_extent(std::uint32_t extent);
  result<void> write_part(io_permit permit, const extent_part& part, std::span<const std::byte> in);
  result<void> zero_part(io_permit permit, const extent_part& part);
  void release_if_zero(std::uint32_t extent);
  void note_filled(io_permit permit, const extent_part& part);
  intent_log::claim begin_change(std::uint64_t offset, std::uint64_t length);
  result<void> sync_segments();

  // Moves; `moves_mutex_` is held.
  result<std::vector<std::uint32_t>> admit_move(std::uint64_t move,
                                                std::span<const std::uint32_t> extents) const;
  result<void> may_stage(std::uint64_t move, std::uint32_t extent, bool& already);
  result<void> clear_extent(std::uint32_t extent);
  result<void> prepare_copy(std::uint32_t extent);
  result<void> check_room(std::size_t extents) const;
  result<void> enter_staged(std::uint64_t move, std::span<const record_change> fresh);
  result<void> may_resync(std::uint64_t move, std::uint32_t extent, bool& already);
  bool has_basis(std::uint32_t extent);
  result<std::uint64_t> store_unfilled(const staged_copy& copy, std::uint64_t base,
                                       std::span<const std::byte> in); ///< Under the stripe.
  result<void> may_commit(std::uint64_t move, std::uint32_t extent, bool& already);
  result<void> alive() const;

  result<void> read_part(const extent_part& part, std::span<std::byte> out);
  fault found_corrupt(segment_file& segment, std::uint64_t offset, std::uint32_t extent);
  void note_corrupt(std::uint32_t extent, bool corrupt);
  result<std::uint64_t> free_strays(segment_file& segment, std::uint64_t start);

  // Failure.
  result<void> usable() const;
  fault fail(const fault& why);

  const std::shared_ptr<store_disk> disk_;
  const volume_layout layout_;
  const std::string directory_;

  fence_gate gate_;
  residency_table states_;
  std::vector<std::atomic<segment_file*>> segments_;
  std::unique_ptr<intent_log> intents_;
  watch_notes notes_;
  boot_note boot_;
  std::array<std::mutex, 128> stripes_;

  std::mutex segments_mutex_;
  std::vector<std::unique_ptr<segment_file>> opened_;

  mutable std::mutex staging_mutex_; ///< The map itself; entries stay where they are.
  std::unordered_map<std::uint32_t, staged_copy> staged_;

  mutable std::mutex sets_mutex_;
  extent_inventory sets_;

  std::mutex moves_mutex_; ///< One of stage, commit, abort, retire at a time.

  std::mutex promote_mutex_; ///< One of prepare, promote at a time.
  bool fence_durable_ = true;
  mutable std::mutex fence_mutex_;
  fence_state fence_;

  std::atomic<bool> forgotten_{false};

  mutable std::mutex corrupt_mutex_;
  roaring::Roaring corrupt_;

  mutable std::mutex failure_mutex_;
  std::string failure_;
  std::atomic<bool> failed_{false};
};

template <class F>
result<void> volume_extents_impl::each_part(std::uint64_t offset, std::uint64_t length, F&& act) {
  for (std::uint64_t done = 0; done < length;) {
    auto at = offset + done;
    auto left_of_extent = layout_.extent_bytes - at % layout_.extent_bytes;
    extent_part part{static_cast<std::uint32_t>(at / layout_.extent_bytes), at,
                     std::min<std::uint64_t>(left_of_extent, length - done), done};
    if (result<void> ok = act(part); !ok)
      return ok;
    done += part.length;
  }
  return {};
}

} // namespace foreshift
