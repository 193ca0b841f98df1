// SPDX-License-Identifier: Apache-2.0
#include "core/extent/block_checksum.hpp"

#include "core/extent/extent_store.hpp"

#include <isa-l/crc.h>

#include <cstring>
#include <vector>

namespace foreshift {

namespace {

std::uint32_t crc32c(const std::byte* block) noexcept {
  auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(block));
  return ~crc32_iscsi(bytes, block_bytes, ~0u); // the library only reads
}

std::uint32_t crc32c_of_zeroes() noexcept {
  static const std::uint32_t value = crc32c(std::vector<std::byte>(block_bytes).data());
  return value;
}

} // namespace

bool is_zero_block(const std::byte* block) noexcept {
  std::uint64_t head = 0;
  std::memcpy(&head, block, sizeof head);
  return head == 0 && std::memcmp(block, block + sizeof head, block_bytes - sizeof head) == 0;
}

std::uint32_t block_checksum(const std::byte* block) noexcept {
  auto crc = crc32c(block);
  if (crc == crc32c_of_zeroes())
    return is_zero_block(block) ? 0 : 1;
  return crc == 0 ? 1 : crc;
}

std::uint32_t lost_checksum() noexcept {
  return crc32c_of_zeroes();
}

} // namespace foreshift
