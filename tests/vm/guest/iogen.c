// SPDX-License-Identifier: Apache-2.0
// The test guest's whole user space: PID 1 loads the modules, then one process a disk does I/O for
// ever and verifies what it reads. Parameters are kernel command line words NAME=NUMBER, which the
// kernel hands to PID 1 as its environment.
//
// 4 KiB O_DIRECT requests, one at a time. A hot set of clusters (contiguous runs, spread over the
// disk), chosen by Zipf's law, is read and written at random; from time to time a sequential phase
// runs on through the whole disk. The expected generation of every block is kept in memory, which
// migrates with the guest.
#define _GNU_SOURCE
#include "record.h"
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { batch_max = 128, batch_ns = 500000, clusters_max = 65536, sweep_blocks = 64 };

struct workload {
  int disk, port;
  uint32_t blocks;       // of the disk
  uint32_t* generation;  // that each block should have
  uint32_t* cluster;     // first block of each hot cluster
  double* cluster_share; // cumulative
  uint32_t clusters, cluster_blocks, cursor;
  uint64_t random;
  long read_percent, flush_every, rate, zipf_ms, stream_ms;
  uint32_t sequence, lost;
  uint64_t sent_ns;
  unsigned batched;
  struct io_record batch[batch_max];
  struct stamped_block* buffer;
};

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long parameter(const char* name, long otherwise) {
  const char* text = getenv(name);
  return text ? strtol(text, NULL, 0) : otherwise;
}

static void die(const char* what) {
  printf("GUEST cannot %s: %s\n", what, strerror(errno));
  fflush(stdout);
  reboot(RB_POWER_OFF);
  _exit(1);
}

static uint64_t next_random(struct workload* w) {
  w->random += 0x9e3779b97f4a7c15ull;
  return stamp_mix(w->random);
}

// -- the host ------------------------------------------------------------------------------------

static void send_batch(struct workload* w) {
  size_t bytes = w->batched * sizeof(struct io_record);
  if (bytes > 0 && write(w->port, w->batch, bytes) != (ssize_t)bytes)
    w->lost += w->batched;
  w->batched = 0;
  w->sent_ns = now_ns();
}

static void report(struct workload* w, struct io_record record) {
  record.sequence = ++w->sequence;
  record.lost = w->lost;
  w->batch[w->batched++] = record;
  if (w->batched == batch_max || record.end_ns - w->sent_ns > batch_ns || record.op >= io_verified)
    send_batch(w);
}

static uint32_t capped(uint64_t ns) {
  return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

// -- requests ------------------------------------------------------------------------------------

static void do_read(struct workload* w, uint32_t block, uint8_t stream) {
  uint64_t began = now_ns();
  ssize_t got = pread(w->disk, w->buffer, block_bytes, (off_t)block * block_bytes);
  uint64_t ended = now_ns();
  struct io_record r = {.block = block, .op = io_read, .stream = stream, .end_ns = ended};
  r.latency_ns = capped(ended - began);
  r.failed = got != block_bytes;
  if (!r.failed && w->generation[block] != 0) {
    r.generation = (uint32_t)w->buffer->words[2];
    r.wrong = !stamp_valid(w->buffer, block) || r.generation != w->generation[block];
  }
  if (r.failed || r.wrong)
    printf("GUEST read of block %u: %s, generation %u, expected %u\n", block,
           r.failed ? strerror(errno) : "wrong", r.generation, w->generation[block]);
  report(w, r);
}

static void do_write(struct workload* w, uint32_t block, uint8_t stream) {
  stamp_fill(w->buffer, block, w->generation[block] + 1);
  uint64_t began = now_ns();
  ssize_t got = pwrite(w->disk, w->buffer, block_bytes, (off_t)block * block_bytes);
  uint64_t ended = now_ns();
  struct io_record r = {.block = block, .op = io_write, .stream = stream, .end_ns = ended};
  r.latency_ns = capped(ended - began);
  r.generation = ++w->generation[block];
  r.failed = got != block_bytes;
  if (r.failed)
    printf("GUEST write of block %u: %s\n", block, strerror(errno));
  report(w, r);
}

static void do_flush(struct workload* w) {
  uint64_t began = now_ns();
  struct io_record r = {.op = io_flush, .failed = fdatasync(w->disk) != 0};
  r.end_ns = now_ns();
  r.latency_ns = capped(r.end_ns - began);
  report(w, r);
}

/// Reads the whole disk; the answer to the host's 'v'.
static void sweep(struct workload* w) {
  struct io_record r = {.op = io_verified};
  for (uint32_t at = 0; at < w->blocks; at += sweep_blocks) {
    uint32_t count = w->blocks - at < sweep_blocks ? w->blocks - at : sweep_blocks;
    ssize_t bytes = (ssize_t)count * block_bytes;
    if (pread(w->disk, w->buffer, (size_t)bytes, (off_t)at * block_bytes) != bytes) {
      printf("GUEST sweep at block %u: %s\n", at, strerror(errno));
      r.failed = 1;
      r.generation += count;
      continue;
    }
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t expected = w->generation[at + i];
      if (expected == 0)
        continue;
      ++r.block;
      if (stamp_valid(&w->buffer[i], at + i) && w->buffer[i].words[2] == expected)
        continue;
      ++r.generation;
      printf("GUEST sweep: block %u has generation %u, expected %u\n", at + i,
             (uint32_t)w->buffer[i].words[2], expected);
    }
  }
  r.wrong = r.generation != 0;
  r.end_ns = now_ns();
  report(w, r);
}

/// What the disk holds at first: nothing known (IO_FILLED=0), generation 1 everywhere (1), or
/// whatever it holds, after a reboot (2). Returns how many blocks had no valid stamp.
static uint32_t first_generations(struct workload* w) {
  long filled = parameter("IO_FILLED", 0);
  uint32_t wrong = 0;
  for (uint32_t at = 0; filled > 0 && at < w->blocks; ++at) {
    uint32_t i = at % sweep_blocks;
    size_t left = (size_t)(w->blocks - at) * block_bytes, most = sweep_blocks * block_bytes;
    if (filled == 2 && i == 0
        && pread(w->disk, w->buffer, left < most ? left : most, (off_t)at * block_bytes) < 0)
      die("read the disk");
    w->generation[at] = filled == 1 ? 1 : (uint32_t)w->buffer[i].words[2];
    wrong += filled == 2 && !stamp_valid(&w->buffer[i], at);
  }
  return wrong;
}

// -- which block ---------------------------------------------------------------------------------

static void choose_hot_set(struct workload* w) {
  w->cluster_blocks = (uint32_t)parameter("IO_CLUSTER_KIB", 1024) * 1024 / block_bytes;
  uint64_t hot_blocks = (uint64_t)parameter("IO_HOT_MIB", 32) * 1048576 / block_bytes;
  uint32_t slots = w->blocks / w->cluster_blocks;
  w->clusters = (uint32_t)(hot_blocks / w->cluster_blocks);
  if (w->clusters > slots)
    w->clusters = slots;
  if (w->clusters == 0 || w->clusters > clusters_max)
    die("use this hot set");
  w->cluster = calloc(w->clusters, sizeof *w->cluster);
  w->cluster_share = calloc(w->clusters, sizeof *w->cluster_share);
  char* taken = calloc(slots, 1);
  double theta = (double)parameter("IO_THETA_PERCENT", 90) / 100, sum = 0;
  for (uint32_t i = 0; i < w->clusters; ++i) {
    uint32_t slot = (uint32_t)(next_random(w) % slots);
    while (taken[slot])
      slot = (slot + 1) % slots;
    taken[slot] = 1;
    w->cluster[i] = slot * w->cluster_blocks;
    w->cluster_share[i] = sum += pow(1.0 / (i + 1), theta);
  }
  free(taken);
}

static uint32_t hot_block(struct workload* w) {
  double at = (double)(next_random(w) >> 11) * 0x1p-53 * w->cluster_share[w->clusters - 1];
  uint32_t low = 0, high = w->clusters - 1;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (w->cluster_share[middle] > at)
      high = middle;
    else
      low = middle + 1;
  }
  return w->cluster[low] + (uint32_t)(next_random(w) % w->cluster_blocks);
}

// -- a disk --------------------------------------------------------------------------------------

static void obey(struct workload* w) {
  char order;
  while (read(w->port, &order, 1) == 1)
    if (order == 'v')
      sweep(w);
}

static void one_request(struct workload* w, uint64_t since_start_ns) {
  uint64_t period = (uint64_t)(w->zipf_ms + w->stream_ms) * 1000000u;
  uint8_t stream = w->stream_ms > 0 && since_start_ns % period >= (uint64_t)w->zipf_ms * 1000000u;
  uint32_t block = stream ? w->cursor++ % w->blocks : hot_block(w);
  if ((long)(next_random(w) % 100) < w->read_percent)
    do_read(w, block, stream);
  else
    do_write(w, block, stream);
  if (w->flush_every > 0 && w->sequence % (uint32_t)w->flush_every == 0)
    do_flush(w);
}

static void pause_until(uint64_t due) {
  uint64_t now = now_ns();
  if (due <= now)
    return;
  struct timespec rest = {(time_t)((due - now) / 1000000000u), (long)((due - now) % 1000000000u)};
  nanosleep(&rest, NULL);
}

/// /dev/vport*pNUMBER: what stands before the p depends on the machine.
static int open_port(int number) {
  glob_t found;
  char pattern[32];
  snprintf(pattern, sizeof pattern, "/dev/vport*p%d", number);
  int port = -1;
  for (int i = 0; i < 500 && port < 0; ++i) {
    if (glob(pattern, 0, NULL, &found) == 0)
      port = open(found.gl_pathv[0], O_RDWR | O_NONBLOCK);
    if (port < 0)
      usleep(10000);
    globfree(&found);
  }
  return port;
}

static void run_disk(int index) {
  char path[32];
  struct workload* w = calloc(1, sizeof *w);
  snprintf(path, sizeof path, "/dev/vd%c", 'a' + index);
  for (int i = 0; i < 500 && (w->disk = open(path, O_RDWR | O_DIRECT)) < 0; ++i)
    usleep(10000);
  if (w->disk < 0)
    die("open the disk");
  w->port = open_port(index + 1);
  if (w->port < 0)
    die("open the port");
  uint64_t bytes = 0;
  if (ioctl(w->disk, BLKGETSIZE64, &bytes) != 0)
    die("ask the disk's size");
  w->blocks = (uint32_t)(bytes / block_bytes);
  w->random = (uint64_t)parameter("IO_SEED", 1) * 1000 + (uint64_t)index;
  w->read_percent = parameter("IO_READ_PERCENT", 70);
  w->flush_every = parameter("IO_FLUSH_EVERY", 0);
  w->rate = parameter("IO_RATE", 0);
  w->zipf_ms = parameter("IO_ZIPF_MS", 4000);
  w->stream_ms = parameter("IO_STREAM_MS", 500);
  w->generation = calloc(w->blocks, sizeof *w->generation);
  if (!w->generation
      || posix_memalign((void**)&w->buffer, block_bytes, sweep_blocks * sizeof *w->buffer) != 0)
    die("get memory");
  choose_hot_set(w);
  uint64_t start = now_ns(), due = start;
  struct io_record started = {.op = io_started, .block = w->blocks, .end_ns = start};
  started.generation = first_generations(w);
  started.wrong = started.generation != 0;
  report(w, started);
  for (;;) {
    obey(w);
    uint64_t now = now_ns();
    one_request(w, now - start);
    if (w->rate > 0) {
      due += 1000000000u / (uint64_t)w->rate;
      if (due + 50000000u < now) // What was missed while paused is not made up for.
        due = now;
      if (now_ns() < due && now_ns() - w->sent_ns > batch_ns)
        send_batch(w);
      pause_until(due);
    }
  }
}

// -- PID 1 ---------------------------------------------------------------------------------------

static void load_modules(void) {
  char path[32];
  for (int i = 0; i < 16; ++i) {
    snprintf(path, sizeof path, "/lib/%02d.ko", i);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
      continue;
    if (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST)
      die(path);
    close(file);
  }
}

int main(void) {
  mount("dev", "/dev", "devtmpfs", 0, NULL);
  int console = open("/dev/console", O_RDWR);
  for (int i = 0; i < 3; ++i)
    dup2(console, i);
  setvbuf(stdout, NULL, _IOLBF, 0);
  load_modules();
  long disks = parameter("IO_DISKS", 1);
  for (int i = 0; i < disks; ++i) {
    if (fork() == 0)
      run_disk(i);
  }
  printf("GUEST ready, %ld disks\n", disks);
  while (wait(NULL) > 0 || errno == EINTR) {
  }
  printf("GUEST ended\n");
  reboot(RB_POWER_OFF);
  return 0;
}
