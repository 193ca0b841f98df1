// SPDX-License-Identifier: Apache-2.0
// usage: stamps fill BLOCKS          writes so many blocks of generation 1 to its output
//        stamps check [GENERATIONS]  reads a disk from its input: every block must be stamped, or
//        all
//                                    zeroes where generation 0 will do. GENERATIONS is a file of
//                                    one 32-bit number a block: the least that it must have.
// Ends with 1 when a block is wrong, and says which.
#include "stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { told_max = 10 };

static int fill(uint64_t blocks) {
  struct stamped_block block;
  for (uint64_t i = 0; i < blocks; ++i) {
    stamp_fill(&block, i, 1);
    if (fwrite(&block, sizeof block, 1, stdout) != 1)
      return 1;
  }
  return fflush(stdout) != 0;
}

static int all_zero(const struct stamped_block* block) {
  for (size_t i = 0; i < block_words; ++i)
    if (block->words[i] != 0)
      return 0;
  return 1;
}

static int check(const char* path) {
  struct stamped_block block;
  FILE* wanted = path ? fopen(path, "rb") : NULL;
  if (path && !wanted)
    return 2;
  uint64_t number = 0, stamped = 0, wrong = 0;
  for (; fread(&block, sizeof block, 1, stdin) == 1; ++number) {
    uint32_t least = 0;
    if (wanted && fread(&least, sizeof least, 1, wanted) != 1)
      return 2;
    int valid = stamp_valid(&block, number);
    stamped += valid ? 1 : 0;
    if (valid ? block.words[2] >= least : (least == 0 && all_zero(&block)))
      continue;
    if (++wrong <= told_max)
      printf("block %lu: %s, generation %lu, at least %u was written\n", number,
             valid ? "old" : "no valid stamp", block.words[2], least);
  }
  printf("%lu blocks, %lu stamped, %lu wrong\n", number, stamped, wrong);
  return wrong != 0 || number == 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "fill") == 0)
    return fill(strtoull(argv[2], NULL, 10));
  if (argc >= 2 && strcmp(argv[1], "check") == 0)
    return check(argc > 2 ? argv[2] : NULL);
  fputs("usage: stamps fill BLOCKS | stamps check [GENERATIONS]\n", stderr);
  return 2;
}
