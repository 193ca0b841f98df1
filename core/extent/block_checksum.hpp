// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace foreshift {

/// What the checksum file holds for a block of `block_bytes`: 0 for zeroes (so that a block never
/// written needs no entry), else its CRC32C, with a real CRC of 0 or
/// `lost_checksum` stored as 1.
std::uint32_t block_checksum(const std::byte* block) noexcept;

/// An entry that no block matches: the block's checksum was lost.
std::uint32_t lost_checksum() noexcept;

/// Whether a block of `block_bytes` is all zeroes.
bool is_zero_block(const std::byte* block) noexcept;

} // namespace foreshift
