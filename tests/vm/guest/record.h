// SPDX-License-Identifier: Apache-2.0
// What the guest tells the host of each I/O, and what the host's collector keeps of it.
#pragma once

#include <stdint.h>

enum io_op { io_read = 0, io_write = 1, io_flush = 2, io_verified = 3, io_started = 4 };

/// Guest to host over virtio-serial, little-endian, 32 bytes.
struct io_record {
  uint32_t sequence;   ///< 1, 2, ... per disk.
  uint32_t latency_ns; ///< Saturated.
  uint32_t block;      ///< io_verified: blocks that were read.
  uint32_t generation; ///< What was read or written; io_verified: how many were wrong.
  uint64_t end_ns;     ///< The guest's monotonic clock.
  uint8_t op;
  uint8_t wrong;  ///< The stamp was not the one that was written last.
  uint8_t failed; ///< The I/O ended with an error.
  uint8_t stream; ///< Of a sequential phase.
  uint32_t lost;  ///< Records that did not fit the port, so far.
};

/// The collector's file: when it came, on the host's real-time clock, from which socket.
struct collected_record {
  uint64_t arrived_ns;
  uint64_t source;
  struct io_record record;
};
