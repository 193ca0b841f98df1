// SPDX-License-Identifier: Apache-2.0
#include "core/volume/pull.hpp"

#include "core/volume/nbd_handle.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <vector>

namespace foreshift {

namespace {

constexpr std::uint32_t chunk_bytes = 256u << 10;
constexpr std::size_t connections = 2;
constexpr std::size_t window = 4; ///< Reads in flight on each connection.
constexpr std::chrono::seconds read_timeout{10};

std::vector<pull_range> cut(std::span<const pull_range> ranges) {
  std::vector<pull_range> out;
  for (const auto& x : ranges)
    for (std::uint32_t at = 0; at < x.bytes; at += chunk_bytes)
      out.push_back({x.extent, x.offset + at, std::min(chunk_bytes, x.bytes - at)});
  return out;
}

/// What the connections of one pull share.
struct pull_state {
  const pull_source& source;
  const std::uint64_t move;
  volume_extents& into;
  copy_links& links;
  copy_pace& pace;
  const std::vector<pull_range> chunks;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  pull_totals totals;
  result<void> outcome;

  void fail(fault why) {
    std::lock_guard lock{mutex};
    stop = true;
    if (outcome)
      outcome = std::move(why);
  }
};

struct read_slot {
  pull_range what{};
  std::int64_t cookie = -1;
  std::byte* buffer = nullptr; ///< Of `chunk_bytes`.
};

/// Kept by the thread: fresh memory for every pull would cost as much as a tenth of the copy.
std::array<read_slot, window> empty_slots() {
  thread_local const auto memory =
      std::make_unique_for_overwrite<std::byte[]>(window * std::size_t{chunk_bytes});
  std::array<read_slot, window> out;
  for (std::size_t i = 0; i < window; ++i)
    out[i].buffer = memory.get() + i * chunk_bytes;
  return out;
}

fault read_fault(const pull_state& state, const pull_range& x, fault why) {
  auto what = "extent " + std::to_string(x.extent) + " of volume "
              + std::to_string(state.into.layout().id) + " on host '" + state.source.host + "'";
  // A copy session has no epoch to be refused for: the partition server says so of bad checksums.
  if (why.code == errc::precondition)
    return {errc::corrupt, what + " does not match its checksum near byte "
                               + std::to_string(x.offset) + " of the extent"};
  return {why.code, "cannot read " + what + ": " + why.detail};
}

bool issue_next(pull_state& state, nbd_handle* h, read_slot& slot) {
  auto index = state.next.fetch_add(1);
  if (state.stop || index >= state.chunks.size())
    return false;
  slot.what = state.chunks[index];
  auto offset =
      std::uint64_t{slot.what.extent} * state.into.layout().extent_bytes + slot.what.offset;
  slot.cookie =
      nbd_aio_pread(h, slot.buffer, slot.what.bytes, offset, nbd_completion_callback{}, 0);
  if (slot.cookie == -1)
    state.fail(read_fault(state, slot.what, nbd_fault(h, state.source.address)));
  return slot.cookie != -1;
}

void store(pull_state& state, const read_slot& slot) {
  state.pace.yield(slot.what.bytes);
  auto stored = state.into.fill(state.move, slot.what.extent, slot.what.offset,
                                std::span{slot.buffer, slot.what.bytes});
  if (!stored)
    return state.fail(stored.error());
  std::lock_guard lock{state.mutex};
  state.totals.bytes_copied += slot.what.bytes;
  state.totals.bytes_skipped += slot.what.bytes - *stored;
}

/// Keeps a window of reads in flight and stores them in order; libnbd drives all of them while it
/// waits for one. Whether nothing is in flight any more.
bool run_window(pull_state& state, nbd_handle* h) {
  auto slots = empty_slots();
  for (auto& slot : slots)
    if (!issue_next(state, h, slot))
      break;
  for (std::size_t i = 0; !state.stop; i = (i + 1) % window) {
    auto& slot = slots[i];
    if (slot.cookie == -1)
      return true;
    auto done = nbd_await(h, slot.cookie, read_timeout, state.source.address);
    slot.cookie = -1;
    if (!done)
      state.fail(read_fault(state, slot.what, done.error()));
    else
      store(state, slot);
    if (state.stop || !issue_next(state, h, slot))
      continue;
  }
  return false;
}

void run_connection(pull_state& state) {
  auto volume = state.into.layout().id;
  auto h = state.links.take(state.source.address, volume);
  if (!h)
    return state.fail(h.error());
  if (run_window(state, h->get()))
    state.links.give_back(state.source.address, volume, *std::move(h));
}

} // namespace

std::vector<pull_range> whole_extents(const volume_layout& layout,
                                      std::span<const std::uint32_t> extents) {
  std::vector<pull_range> out;
  for (auto extent : extents) {
    auto begin = std::uint64_t{extent} * layout.extent_bytes;
    if (begin < layout.size_bytes)
      out.push_back({extent, 0,
                     static_cast<std::uint32_t>(
                         std::min<std::uint64_t>(layout.extent_bytes, layout.size_bytes - begin))});
  }
  return out;
}

void add_blocks(std::vector<pull_range>& out, std::uint32_t extent,
                const std::vector<bool>& blocks) {
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (!blocks[i])
      continue;
    auto first = i;
    while (i < blocks.size() && blocks[i])
      ++i;
    out.push_back({extent, static_cast<std::uint32_t>(first * block_bytes),
                   static_cast<std::uint32_t>((i - first) * block_bytes)});
  }
}

result<pull_totals> pull_extents(const pull_source& source, std::uint64_t move,
                                 std::span<const pull_range> ranges, volume_extents& into,
                                 copy_links& links, copy_pace& pace, worker_pool& helpers) {
  pull_state state{source, move, into, links, pace, cut(ranges), 0, false, {}, {}, {}};
  if (state.chunks.empty())
    return pull_totals{};
  std::latch done{connections - 1};
  for (std::size_t i = 1; i < connections; ++i)
    helpers.add([&] {
      if (state.next < state.chunks.size() && !state.stop)
        run_connection(state);
      done.count_down();
    });
  run_connection(state);
  done.wait();
  if (!state.outcome)
    return state.outcome.error();
  return state.totals;
}

} // namespace foreshift
