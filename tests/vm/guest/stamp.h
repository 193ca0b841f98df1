// SPDX-License-Identifier: Apache-2.0
// What the guest writes into every 4 KiB block and the host checks: number, generation, checksum.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { block_bytes = 4096, block_words = block_bytes / 8, payload_begin = 4 };

struct stamped_block {
  uint64_t words[block_words]; // magic, number, generation, sum, payload
};

static const uint64_t stamp_magic = 0x706d617473736666ull;

static inline uint64_t stamp_mix(uint64_t x) { // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// Over everything but the sum's own word.
static inline uint64_t stamp_sum(const struct stamped_block* block) {
  uint64_t sum = stamp_magic;
  for (size_t i = 0; i < block_words; ++i)
    if (i != 3)
      sum = (sum ^ block->words[i]) * 0x9e3779b97f4a7c15ull + (sum >> 29);
  return sum;
}

/// The payload differs between any two (number, generation): a block put together from two writes
/// has no matching sum.
static inline void stamp_fill(struct stamped_block* block, uint64_t number, uint64_t generation) {
  block->words[0] = stamp_magic;
  block->words[1] = number;
  block->words[2] = generation;
  uint64_t word = stamp_mix(number * 0x100000001b3ull + generation);
  for (size_t i = payload_begin; i < block_words; ++i)
    block->words[i] = word += 0x9e3779b97f4a7c15ull;
  block->words[3] = stamp_sum(block);
}

/// Whether the block is one whole write of that number; its generation is then in words[2].
static inline int stamp_valid(const struct stamped_block* block, uint64_t number) {
  return block->words[0] == stamp_magic && block->words[1] == number
         && block->words[3] == stamp_sum(block);
}
