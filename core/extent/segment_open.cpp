// SPDX-License-Identifier: Apache-2.0
// Opening a segment: what is missing of its files must never read as zeroes.
#include "core/extent/segment_file.hpp"

#include "core/base/log.hpp"
#include "core/extent/block_checksum.hpp"
#include "core/extent/extent_store.hpp"

#include <algorithm>
#include <cstdio>

namespace foreshift {

namespace {

std::uint64_t sum_bytes(std::uint64_t data_bytes) {
  return data_bytes / block_bytes * sizeof(std::uint32_t);
}

/// Opens or creates, without changing the size: that says what is missing.
result<std::unique_ptr<disk_file>> open_any(disk_io& disk, const std::string& path,
                                            std::uint64_t size_bytes, bool expected,
                                            std::uint64_t& had) {
  auto file = disk.open(path, disk_io::open_mode::create);
  if (!file)
    return file;
  auto length = (*file)->size();
  if (!length)
    return length.error();
  had = *length;
  if (expected && had < size_bytes)
    slog::error("{} is truncated: {} of {} bytes; what is missing counts as corrupt", path, had,
                size_bytes);
  return file;
}

result<void> stretch(disk_file& file, std::uint64_t had, std::uint64_t size_bytes) {
  if (had >= size_bytes)
    return {};
  if (auto ok = file.resize(size_bytes); !ok)
    return ok;
  return file.sync();
}

/// Entries of known extents past the end of a checksum file become such that no block matches. In
/// this order, before the file is long again: after a crash the rest is still seen to be missing.
result<void> mark_lost(disk_file& crc, std::uint64_t had, const segment_file::known_ranges& known) {
  auto whole = had / sizeof(std::uint32_t) * sizeof(std::uint32_t);
  for (const auto& [offset, length] : known) {
    auto from = std::max(sum_bytes(offset), whole);
    auto to = sum_bytes(offset + length);
    if (from >= to)
      continue;
    std::vector<std::uint32_t> lost((to - from) / sizeof(std::uint32_t), lost_checksum());
    auto left = std::as_bytes(std::span(lost));
    while (!left.empty()) {
      auto put = crc.write(to - left.size(), left);
      if (!put)
        return put.error();
      left = left.subspan(*put);
    }
  }
  return {};
}

} // namespace

result<std::unique_ptr<segment_file>>
segment_file::open(disk_io& disk, const std::string& directory, std::uint32_t number,
                   std::uint64_t size_bytes, const known_ranges& known) {
  char name[16];
  std::snprintf(name, sizeof name, "/%04u", number);
  std::unique_ptr<segment_file> out(new segment_file);
  out->path_ = directory + name + ".extents";
  std::uint64_t data_had = 0;
  std::uint64_t crc_had = 0;
  auto crc_bytes = sum_bytes(size_bytes);
  auto data = open_any(disk, out->path_, size_bytes, !known.empty(), data_had);
  if (!data)
    return data.error();
  out->data_ = std::move(*data);
  auto crc = open_any(disk, directory + name + ".crc", crc_bytes, !known.empty(), crc_had);
  if (!crc)
    return crc.error();
  out->crc_ = std::move(*crc);
  if (crc_had < crc_bytes)
    if (auto ok = mark_lost(*out->crc_, crc_had, known); !ok)
      return ok.error();
  if (auto ok = stretch(*out->crc_, crc_had, crc_bytes); !ok)
    return ok.error();
  if (auto ok = stretch(*out->data_, data_had, size_bytes); !ok)
    return ok.error();
  auto mapped = out->crc_->map(crc_bytes);
  if (!mapped)
    return mapped.error();
  out->sums_ = *mapped;
  if (data_had == 0 || crc_had == 0)
    if (auto ok = disk.sync_directory(directory); !ok)
      return ok.error();
  return out;
}

} // namespace foreshift
