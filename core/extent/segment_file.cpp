// SPDX-License-Identifier: Apache-2.0
#include "core/extent/segment_file.hpp"

#include "core/base/log.hpp"
#include "core/extent/block_checksum.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

namespace foreshift {

namespace {

constexpr std::uint64_t piece_bytes = 1u << 20; ///< A write is cut at multiples of this.
constexpr std::size_t summed_bytes = 64u << 10; ///< Of a read, fetched and summed in one go.

std::uint64_t blocks_of(std::uint64_t bytes) {
  return bytes / block_bytes;
}

} // namespace

std::uint32_t segment_file::sum(std::uint64_t block) const {
  auto* sums = reinterpret_cast<std::uint32_t*>(sums_.data());
  return std::atomic_ref(sums[block]).load(std::memory_order_relaxed);
}

void segment_file::store_sum(std::uint64_t block, std::uint32_t value) {
  // Unchanged entries are not touched: they may be in a hole that has no disk space behind it.
  auto* sums = reinterpret_cast<std::uint32_t*>(sums_.data());
  if (sum(block) != value)
    std::atomic_ref(sums[block]).store(value, std::memory_order_relaxed);
}

/// Bytes as they are. A file cut short reads as zeroes: its checksums say what they should be.
result<void> segment_file::fetch(reader how, std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    auto got = (*data_.*how)(offset, out);
    if (!got)
      return got.error();
    if (*got == 0) {
      if (!short_.exchange(true))
        slog::error("{} is truncated below offset {}", path_, offset);
      std::memset(out.data(), 0, out.size());
      return {};
    }
    offset += *got;
    out = out.subspan(*got);
  }
  return {};
}

/// Part of one block; false when the block does not match its checksum.
result<bool> segment_file::read_edge(std::uint64_t offset, std::span<std::byte> out) const {
  std::array<std::byte, block_bytes> whole;
  auto start = offset / block_bytes * block_bytes;
  if (auto ok = fetch(&disk_file::read, start, whole); !ok)
    return ok.error();
  std::memcpy(out.data(), whole.data() + (offset - start), out.size());
  return block_checksum(whole.data()) == sum(start / block_bytes);
}

result<std::optional<std::uint64_t>> segment_file::read(std::uint64_t offset,
                                                        std::span<std::byte> out) const {
  std::optional<std::uint64_t> wrong;
  while (!out.empty()) {
    auto in_block = offset % block_bytes;
    std::size_t size = 0;
    if (in_block != 0 || out.size() < block_bytes) {
      size = std::min<std::size_t>(out.size(), block_bytes - in_block);
      auto good = read_edge(offset, out.first(size));
      if (!good)
        return good.error();
      if (!*good && !wrong)
        wrong = offset - in_block;
    } else {
      // In pieces that are still in the cache when they are summed.
      size = std::min(out.size() / block_bytes * block_bytes, summed_bytes);
      if (auto ok = fetch(&disk_file::read, offset, out.first(size)); !ok)
        return ok.error();
      if (!wrong)
        wrong = mismatch(offset, out.first(size));
    }
    offset += size;
    out = out.subspan(size);
  }
  return wrong;
}

result<std::optional<std::uint64_t>> segment_file::read_medium(std::uint64_t offset,
                                                               std::span<std::byte> out) const {
  if (auto ok = fetch(&disk_file::read_medium, offset, out); !ok)
    return ok.error();
  return mismatch(offset, out);
}

result<void> segment_file::reserve_checksums(std::uint64_t offset, std::uint64_t length) {
  // Whole pages: that is what a store into the mapping makes dirty.
  constexpr std::uint64_t page = 4096;
  auto from = blocks_of(offset) * sizeof(std::uint32_t) / page * page;
  auto to = blocks_of(offset + length + block_bytes - 1) * sizeof(std::uint32_t);
  return crc_->allocate(from, (to - from + page - 1) / page * page);
}

result<void> segment_file::write(std::uint64_t offset, std::span<const std::byte> in) {
  while (!in.empty()) {
    auto size = std::min<std::uint64_t>(in.size(), piece_bytes - offset % piece_bytes);
    if (auto ok = write_piece(offset, in.first(size)); !ok)
      return ok;
    offset += size;
    in = in.subspan(size);
  }
  return {};
}

result<void> segment_file::write_piece(std::uint64_t offset, std::span<const std::byte> in) {
  std::array<std::uint32_t, piece_bytes / block_bytes> sums;
  auto first = offset / block_bytes;
  auto last = (offset + in.size() - 1) / block_bytes;
  for (auto block = first; block <= last; ++block) {
    auto start = block * block_bytes;
    if (start >= offset && start + block_bytes <= offset + in.size()) {
      sums[block - first] = block_checksum(in.data() + (start - offset));
      continue;
    }
    auto merged = merged_sum(block, offset, in);
    if (!merged)
      return merged.error();
    sums[block - first] = *merged;
  }
  if (auto ok = put_bytes(offset, in); !ok) {
    settle_sums(first, std::span(sums).first(last - first + 1));
    return ok;
  }
  for (auto block = first; block <= last; ++block)
    store_sum(block, sums[block - first]);
  dirty_ = true;
  return {};
}

/// The checksum of `block` once `in` is written over part of it.
result<std::uint32_t> segment_file::merged_sum(std::uint64_t block, std::uint64_t offset,
                                               std::span<const std::byte> in) const {
  std::array<std::byte, block_bytes> whole;
  auto start = block * block_bytes;
  if (auto ok = fetch(&disk_file::read, start, whole); !ok)
    return ok.error();
  if (block_checksum(whole.data()) != sum(block)) {
    ++corrupt_blocks_;
    return fault{errc::corrupt,
                 path_ + ": block " + std::to_string(block)
                     + " does not match its checksum; a partial write would hide it"};
  }
  auto from = std::max(start, offset);
  auto to = std::min(start + block_bytes, offset + in.size());
  std::memcpy(whole.data() + (from - start), in.data() + (from - offset), to - from);
  return block_checksum(whole.data());
}

/// After a write that failed somewhere: blocks that it had reached get their new sums, so that a
/// full disk does not look like a corrupt one. What is neither old nor new stays a mismatch.
void segment_file::settle_sums(std::uint64_t first, std::span<const std::uint32_t> wanted) {
  std::array<std::byte, block_bytes> whole;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (fetch(&disk_file::read, (first + i) * block_bytes, whole)
        && block_checksum(whole.data()) == wanted[i])
      store_sum(first + i, wanted[i]);
  dirty_ = true;
}

result<void> segment_file::put_bytes(std::uint64_t offset, std::span<const std::byte> in) {
  while (!in.empty()) {
    auto put = data_->write(offset, in);
    if (!put)
      return put.error();
    offset += *put;
    in = in.subspan(*put);
  }
  return {};
}

result<void> segment_file::free_bytes(std::uint64_t offset, std::uint64_t length) {
  auto freed = data_->punch(offset, length);
  if (!freed)
    return freed.error();
  if (*freed)
    return {};
  std::vector<std::byte> zeroes(std::min(length, piece_bytes));
  for (std::uint64_t done = 0; done < length; done += zeroes.size()) {
    auto size = std::min<std::uint64_t>(zeroes.size(), length - done);
    if (auto ok = put_bytes(offset + done, std::span(zeroes).first(size)); !ok)
      return ok;
  }
  return {};
}

result<void> segment_file::clear(std::uint64_t offset, std::uint64_t length) {
  if (length == 0)
    return {};
  dirty_ = true;
  if (auto ok = free_bytes(offset, length); !ok)
    return ok;
  for (auto block = blocks_of(offset); block < blocks_of(offset + length); ++block)
    store_sum(block, 0);
  dirty_ = true; // a sync may have run in between
  return {};
}

std::optional<std::uint64_t> segment_file::mismatch(std::uint64_t offset,
                                                    std::span<const std::byte> data) const {
  for (std::uint64_t at = 0; at < data.size(); at += block_bytes)
    if (block_checksum(data.data() + at) != sum((offset + at) / block_bytes))
      return offset + at;
  return std::nullopt;
}

fault segment_file::corrupt_block(std::uint64_t offset, std::uint32_t extent) const {
  ++corrupt_blocks_;
  return {errc::corrupt, path_ + ": extent " + std::to_string(extent) + ", block "
                             + std::to_string(offset / block_bytes)
                             + " of the file, does not match its checksum"};
}

result<void> segment_file::resum(std::uint64_t offset, std::uint64_t length) {
  std::array<std::byte, block_bytes> data;
  for (auto at = offset; at < offset + length; at += block_bytes) {
    if (auto ok = fetch(&disk_file::read, at, data); !ok)
      return ok;
    store_sum(at / block_bytes, block_checksum(data.data()));
  }
  dirty_ = true;
  return {};
}

result<std::optional<std::uint64_t>> segment_file::next_data(std::uint64_t offset) const {
  return data_->next_data(offset);
}

result<bool> segment_file::has_data(std::uint64_t offset, std::uint64_t length) const {
  auto at = next_data(offset);
  if (!at)
    return at.error();
  return *at && **at < offset + length;
}

bool segment_file::is_zero(std::uint64_t offset, std::uint64_t length) const {
  for (auto block = blocks_of(offset); block < blocks_of(offset + length); ++block)
    if (sum(block) != 0)
      return false;
  return true;
}

std::uint64_t segment_file::digest(std::uint64_t offset, std::uint64_t length) const {
  if (is_zero(offset, length))
    return 0;
  constexpr auto entry = sizeof(std::uint32_t);
  auto sums = sums_.subspan(blocks_of(offset) * entry, blocks_of(length) * entry);
  return std::max<std::uint64_t>(XXH3_64bits(sums.data(), sums.size()), 1);
}

result<void> segment_file::sync() {
  // The lock makes a second caller wait for the first one's disk, not just for its flag.
  std::lock_guard lock(sync_mutex_);
  if (sync_failed_)
    return fault{errc::storage, "an earlier sync of " + path_ + " failed"};
  if (!dirty_.exchange(false))
    return {};
  auto done = data_->sync();
  if (done)
    done = crc_->sync();
  sync_failed_ = !done;
  return done;
}

void segment_file::forgive() {
  std::lock_guard lock(sync_mutex_);
  sync_failed_ = false;
}

std::uint64_t segment_file::bytes_allocated() const {
  auto data = data_->allocated_bytes();
  auto crc = crc_->allocated_bytes();
  return (data ? *data : 0) + (crc ? *crc : 0);
}

} // namespace foreshift
