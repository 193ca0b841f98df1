// SPDX-License-Identifier: Apache-2.0
#include "core/volume/lost_blocks.hpp"

#include "core/extent/extent_store.hpp"

namespace foreshift {

namespace {

constexpr std::size_t blocks_max = 65536;

} // namespace

void lost_blocks::add(std::uint64_t offset) {
  std::lock_guard lock{mutex_};
  if (offsets_.size() < blocks_max)
    offsets_.insert(offset);
  count_.store(offsets_.size());
}

void lost_blocks::erase(std::uint64_t offset, std::uint64_t length) {
  auto first = (offset + block_bytes - 1) / block_bytes * block_bytes;
  auto last = (offset + length) / block_bytes * block_bytes;
  std::lock_guard lock{mutex_};
  if (first < last)
    offsets_.erase(offsets_.lower_bound(first), offsets_.lower_bound(last));
  count_.store(offsets_.size());
}

} // namespace foreshift
