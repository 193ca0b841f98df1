// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/proc_text.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

constexpr std::string_view stat_text = "cpu  6218 232 3947 362063 500 0 59 410 7 7\n"
                                       "cpu0 2918 114 1543 182026 28 0 8 165 0 0\n"
                                       "cpu1 3300 118 2404 180036 471 0 50 244 0 0\n"
                                       "intr 194750 0 0\nctxt 385682\nbtime 1764000000\n";

constexpr std::string_view net_text =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n"
    "    lo:    3267      29    0    0    0     0          0         0     3267      29    0    0  "
    " "
    " 0     0       0          0\n"
    "  eth0:52160253    1033    0    0    0     0          0         0    52489     637    0    0  "
    " "
    " 0     0       0          0\n";

constexpr std::string_view disk_text =
    "   7       0 loop0 10 0 1000 0 10 0 1000 0 0 0 0 0 0 0 0 0 0\n"
    "   8       0 sda 100 0 2000 5 50 0 800 9 0 4 14 0 0 0 0 0 0\n"
    "   8       1 sda1 99 0 1990 5 50 0 800 9 0 4 14 0 0 0 0 0 0\n"
    " 259       0 nvme0n1 1 0 8 0 1 0 16 0 0 0 0 0 0 0 0\n"
    " 259       1 nvme0n1p1 1 0 8 0 1 0 16 0 0 0 0 0 0 0 0\n"
    " 259       2 nvme0n10 1 0 4 0 1 0 4 0 0 0 0 0 0 0 0\n"
    " 202       1 xvda1 1 0 2 0 1 0 2 0 0 0 0\n"
    " 253       0 dm-0 100 0 2000 5 50 0 800 9 0 4 14 0 0 0 0 0 0\n";

constexpr std::string_view process_text =
    "4242 (qemu) x (a b)) S 1 4242 4242 0 -1 4194560 1500 0 25 0 310 90 0 0 20 0 6 0 12345 "
    "5000000000 250000 18446744073709551615 1 1 0 0 0\n";

template <class Parse>
void refuses_every_cut(std::string_view text, Parse parse, std::size_t needed) {
  for (std::size_t n = 0; n < needed; ++n) {
    CAPTURE(text.substr(0, n));
    CHECK_FALSE(parse(text.substr(0, n)));
  }
}

} // namespace

TEST_CASE("proc text: cpu ticks of all cores, guest time not counted twice") {
  auto got = parse_proc_stat(stat_text);
  REQUIRE(got);
  CHECK(got->total_ticks == 6218 + 232 + 3947 + 362063 + 500 + 59 + 410);
  CHECK(got->idle_ticks == 362063 + 500);
  CHECK(got->cores == 2);
  refuses_every_cut(stat_text, parse_proc_stat, stat_text.find("cpu1"));
  CHECK_FALSE(parse_proc_stat("cpu  1 2 x 4 5 6\ncpu0 1 2 3 4 5 6\n"));
  CHECK_FALSE(parse_proc_stat("cpu  1 2 -3 4 5 6\ncpu0 1 2 3 4 5 6\n"));
  CHECK_FALSE(parse_proc_stat("cpu  1 2 3\ncpu0 1 2 3\n"));
}

TEST_CASE("proc text: memory sizes are in bytes") {
  constexpr std::string_view text = "MemTotal:       24603808 kB\nMemFree:        100 kB\n"
                                    "MemAvailable:   23000000 kB\nBuffers: 1 kB\n";
  auto got = parse_meminfo(text);
  REQUIRE(got);
  CHECK(got->total_bytes == 24603808ull * 1024);
  CHECK(got->available_bytes == 23000000ull * 1024);
  refuses_every_cut(text, parse_meminfo, text.find("Buffers"));
  CHECK_FALSE(parse_meminfo("MemTotal: 99999999999999999 kB\nMemAvailable: 1 kB\n"));
  CHECK_FALSE(parse_meminfo("MemTotal: x kB\nMemAvailable: 1 kB\n"));
}

TEST_CASE("proc text: load average") {
  CHECK(*parse_loadavg("0.16 0.17 0.09 2/94 11372\n") == doctest::Approx(0.16));
  CHECK_FALSE(parse_loadavg("0.16 0.17"));
  CHECK_FALSE(parse_loadavg("nan 0.17 0.09 2/94 1\n"));
  CHECK_FALSE(parse_loadavg(""));
}

TEST_CASE("proc text: network bytes of all interfaces") {
  auto got = parse_net_dev(net_text);
  REQUIRE(got);
  CHECK(got->in == 3267 + 52160253);
  CHECK(got->out == 3267 + 52489);
  refuses_every_cut(net_text, parse_net_dev, net_text.find("  eth0"));
  CHECK_FALSE(parse_net_dev("lo: 1 2 3\n"));
  CHECK_FALSE(parse_net_dev("lo: x 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"));
}

TEST_CASE("proc text: disk bytes count each disk once") {
  auto got = parse_diskstats(disk_text);
  REQUIRE(got);
  CHECK(got->in == (2000 + 8 + 4 + 2) * 512);
  CHECK(got->out == (800 + 16 + 4 + 2) * 512);
  CHECK_FALSE(parse_diskstats(""));
  CHECK_FALSE(parse_diskstats("   8       0 sda 100 0 2000\n"));
  CHECK_FALSE(parse_diskstats("   8 0 sda 1 0 x 5 50 0 800 9 0 4 14\n"));
}

TEST_CASE("proc text: a process whose name holds brackets and blanks") {
  auto got = parse_process_stat(process_text);
  REQUIRE(got);
  CHECK(got->command == "qemu) x (a b)");
  CHECK(got->cpu_ticks == 400);
  CHECK(got->page_faults == 1525);
  CHECK(got->start_ticks == 12345);
  refuses_every_cut(process_text, parse_process_stat, process_text.size());
  CHECK_FALSE(parse_process_stat(") (\n"));
}

TEST_CASE("proc text: resident memory and disk bytes of a process") {
  CHECK(*parse_process_rss("Name:\tqemu\nVmPeak:\t 9 kB\nVmRSS:\t  1024 kB\n") == 1u << 20);
  CHECK_FALSE(parse_process_rss("Name:\tkthreadd\n"));
  CHECK_FALSE(parse_process_rss("VmRSS:\t  10"));
  auto io = parse_process_io("rchar: 6976\nwchar: 0\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\n"
                             "write_bytes: 8192\ncancelled_write_bytes: 1\n");
  REQUIRE(io);
  CHECK(io->in == 4096);
  CHECK(io->out == 8192);
  CHECK_FALSE(parse_process_io("read_bytes: 4096\nwrite_by"));
}

TEST_CASE("proc text: cgroups of version 2, 1 and both") {
  auto unified = parse_process_cgroup("0::/machine.slice/vm-1.scope\n");
  REQUIRE(unified);
  CHECK(unified->unified == "/machine.slice/vm-1.scope");
  CHECK(unified->cpu.empty());
  auto both = parse_process_cgroup("4:memory:/vm:1\n2:cpu,cpuacct:/vms\n0::/\n");
  REQUIRE(both);
  CHECK(both->memory == "/vm:1");
  CHECK(both->cpu == "/vms");
  CHECK(both->unified == "/");
  CHECK_FALSE(parse_process_cgroup(""));
  CHECK_FALSE(parse_process_cgroup("0::/cut"));
  CHECK_FALSE(parse_process_cgroup("garbage\n"));
}

TEST_CASE("proc text: cgroup numbers") {
  CHECK(*parse_cgroup_cpu_us("usage_usec 123456\nuser_usec 1\nsystem_usec 2\n") == 123456);
  CHECK_FALSE(parse_cgroup_cpu_us("user_usec 1\n"));
  CHECK(*parse_single_number("4096\n") == 4096);
  for (auto text : {"", "4096", "max\n", "-1\n", "1\n2\n", "1 2\n", "99999999999999999999\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_single_number(text));
  }
}
