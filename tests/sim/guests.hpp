// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/history/check.hpp"
#include "tests/sim/kernel.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace foreshift::sim {

struct guest_options {
  std::string volume;
  std::vector<std::string> hosts;    ///< Guests try all of them all the time; the lease decides.
  std::vector<std::uint64_t> blocks; ///< What they read and write.
  unsigned threads = 2;              ///< Per host.
  std::int64_t pause_ns_max = 20 * ms;
  double writes = 0.5;
  double zeroes = 0;
  double flushes = 0.05;
};

/// What became of an operation of several blocks is noted per block.
struct guest_counts {
  std::uint64_t reads = 0, writes = 0, flushes = 0, failures = 0;
  std::uint64_t faults = 0; ///< Failures other than "not the holder (any more)".
};

/// Virtual machines' disks at work: stamped reads and writes over NBD, all of them recorded.
class guests {
public:
  explicit guests(guest_options options);

  void start();
  /// Lets what is under way end, at most for a while.
  void stop();
  /// Reads every block at `host` and adds that to the history; a fault if one cannot be read.
  result<void> read_back(const std::string& host);

  result<void> flush(const std::string& host);

  const guest_options& options() const { return options_; }
  const guest_counts& counts() const { return counts_; }
  result<history::verdict> check() const;

private:
  void live(const std::string& host);
  void act(struct guest_line& on);
  void note(struct guest_line& on, const result<void>& done, std::uint64_t& good);
  void write(struct guest_line& on, std::size_t first, std::size_t count, bool zero);
  void read(struct guest_line& on, std::size_t first, std::size_t count);
  std::size_t run_from(std::size_t first, std::size_t count) const;

  const guest_options options_;
  guest_counts counts_;
  std::vector<history::operation> operations_;
  std::uint64_t stamps_ = 0;
  std::uint32_t clients_ = 0;
  unsigned alive_ = 0;
  bool stopping_ = false;
};

} // namespace foreshift::sim
