// SPDX-License-Identifier: Apache-2.0
#include "core/extent/segment_file.hpp"

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

std::uint64_t blocks_of(std::uint64_t bytes) {
  return bytes / block_bytes;
}

/// A file of `size_bytes`; a new one is sparse. An existing one keeps its size in mode `existing`.
result<std::unique_ptr<disk_file>> open_sized(disk_io& disk, const std::string& path,
                                              std::uint64_t size_bytes, segment_file::mode how) {
  auto create = how == segment_file::mode::create;
  auto file = disk.open(path, create ? disk_io::open_mode::create : disk_io::open_mode::existing);
  if (!file && file.error().code == errc::not_found)
    return fault{errc::corrupt, path + " is missing, but there are records of extents in it"};
  if (!file || !create)
    return file;
  if (auto ok = (*file)->resize(size_bytes); !ok)
    return ok.error();
  if (auto ok = (*file)->sync(); !ok)
    return ok.error();
  return file;
}

} // namespace

result<std::unique_ptr<segment_file>> segment_file::open(disk_io& disk,
                                                         const std::string& directory,
                                                         std::uint32_t number,
                                                         std::uint64_t size_bytes, mode how) {
  char name[16];
  std::snprintf(name, sizeof name, "/%04u", number);
  std::unique_ptr<segment_file> out(new segment_file);
  out->path_ = directory + name + ".extents";
  auto data = open_sized(disk, out->path_, size_bytes, how);
  if (!data)
    return data.error();
  out->data_ = std::move(*data);
  auto length = out->data_->size();
  if (!length)
    return length.error();
  out->truncated_ = *length < size_bytes;
  auto crc_bytes = blocks_of(size_bytes) * sizeof(std::uint32_t);
  auto crc = open_sized(disk, directory + name + ".crc", crc_bytes, how);
  if (!crc)
    return crc.error();
  out->crc_ = std::move(*crc);
  auto mapped = out->crc_->map(crc_bytes);
  if (!mapped)
    return mapped.error();
  out->sums_ = *mapped;
  if (how == mode::create)
    if (auto ok = disk.sync_directory(directory); !ok)
      return ok.error();
  return out;
}

fault segment_file::truncated() const {
  truncated_ = true; // a later write must not make the file long again, with zeroes in the gap
  return {errc::corrupt, path_ + " is truncated"};
}

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

result<void> segment_file::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    auto got = data_->read(offset, out);
    if (!got)
      return got.error();
    if (*got == 0)
      return truncated();
    offset += *got;
    out = out.subspan(*got);
  }
  return {};
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
    // Some of it may have been written: a full disk must not look like a corrupt one.
    auto healed = resum(first * block_bytes, (last - first + 1) * block_bytes);
    return healed ? ok : healed;
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
  if (auto ok = read(start, whole); !ok)
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

result<void> segment_file::put_bytes(std::uint64_t offset, std::span<const std::byte> in) {
  if (truncated_)
    return truncated();
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
  if (truncated_)
    return truncated();
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
    if (auto ok = read(at, data); !ok)
      return ok;
    store_sum(at / block_bytes, block_checksum(data.data()));
  }
  dirty_ = true;
  return {};
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
    return fault{errc::storage, "an earlier sync of " + path_ + " failed; restart to recover"};
  if (!dirty_.exchange(false))
    return {};
  auto done = data_->sync();
  if (done)
    done = crc_->sync();
  sync_failed_ = !done;
  return done;
}

std::uint64_t segment_file::bytes_allocated() const {
  auto data = data_->allocated_bytes();
  auto crc = crc_->allocated_bytes();
  return (data ? *data : 0) + (crc ? *crc : 0);
}

} // namespace foreshift
