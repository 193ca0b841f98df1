// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace foreshift {

// Parsers of what the kernel prints under /proc and in cgroup files. Each takes a whole file's text
// and gives nothing when a field it needs is missing, cut off or no number; none guesses.

struct cpu_times {
  std::uint64_t total_ticks = 0; ///< All cores, idle included.
  std::uint64_t idle_ticks = 0;  ///< Idle and waiting for I/O.
  std::uint32_t cores = 0;
};
std::optional<cpu_times> parse_proc_stat(std::string_view text);

struct memory_sizes {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};
std::optional<memory_sizes> parse_meminfo(std::string_view text);

/// The load average over one minute.
std::optional<double> parse_loadavg(std::string_view text);

struct byte_totals {
  std::uint64_t in = 0;  ///< Received or read.
  std::uint64_t out = 0; ///< Sent or written.
};
/// /proc/net/dev, all interfaces, loopback included.
std::optional<byte_totals> parse_net_dev(std::string_view text);

/// /proc/diskstats, whole disks only: no partitions of listed disks, and no loop, ram,
/// device-mapper or RAID devices, whose bytes are counted again below them.
std::optional<byte_totals> parse_diskstats(std::string_view text);

struct process_stat {
  std::string command;           ///< At most 15 bytes, as the kernel cuts it.
  std::uint64_t cpu_ticks = 0;   ///< User and system.
  std::uint64_t page_faults = 0; ///< Minor and major.
  std::uint64_t start_ticks = 0; ///< Since boot; tells a reused pid.
};
/// /proc/PID/stat; the command may itself hold blanks and brackets.
std::optional<process_stat> parse_process_stat(std::string_view text);

/// VmRSS of /proc/PID/status in bytes. A kernel thread has none.
std::optional<std::uint64_t> parse_process_rss(std::string_view text);

/// read_bytes and write_bytes of /proc/PID/io.
std::optional<byte_totals> parse_process_io(std::string_view text);

/// Where a process is in the cgroup trees; empty: not listed.
struct cgroup_paths {
  std::string unified; ///< Version 2, "0::/path".
  std::string cpu;     ///< Version 1, the tree of the cpuacct controller.
  std::string memory;  ///< Version 1.
};
std::optional<cgroup_paths> parse_process_cgroup(std::string_view text);

/// usage_usec of a version 2 cpu.stat.
std::optional<std::uint64_t> parse_cgroup_cpu_us(std::string_view text);

/// A file that holds one number (memory.current, memory.usage_in_bytes, cpuacct.usage).
std::optional<std::uint64_t> parse_single_number(std::string_view text);

} // namespace foreshift
