// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/host_sampler.hpp"
#include "core/telemetry/vci_sampler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace foreshift;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

/// A folder that stands for "/", removed at the end.
class fake_root {
public:
  fake_root() {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~fake_root() { std::filesystem::remove_all(path_); }
  fake_root(const fake_root&) = delete;
  fake_root& operator=(const fake_root&) = delete;

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  void erase(const std::string& name) { std::filesystem::remove(path_ / name); }
  std::string path() const { return path_; }

private:
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("foreshift-sampler-" + std::to_string(getpid()));
};

void write_host(fake_root& root, int busy, int idle, int bytes) {
  auto n = std::to_string(bytes);
  auto cpu = std::to_string(busy) + " 0 0 " + std::to_string(idle) + " 0 0 0 0 0 0\n";
  root.write("proc/stat", "cpu  " + cpu + "cpu0 " + cpu);
  root.write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\n");
  root.write("proc/loadavg", "1.50 1 1 1/2 3\n");
  root.write("proc/net/dev", " eth0: " + n + " 0 0 0 0 0 0 0 " + n + " 0 0 0 0 0 0 0\n");
  root.write("proc/diskstats", "8 0 sda 1 0 " + n + " 0 1 0 " + n + " 0 0 0 0\n");
}

void write_process(fake_root& root, int ticks, int start) {
  auto t = std::to_string(ticks);
  root.write("proc/7/stat", "7 (vm) S 1 1 1 0 -1 0 " + t + " 0 0 0 " + t + " 0 0 0 20 0 1 0 "
                                + std::to_string(start) + " 1 1\n");
  root.write("proc/7/status", "Name:\tvm\nVmRSS:\t 8 kB\n");
  root.write("proc/7/io", "read_bytes: " + t + "\nwrite_bytes: " + t + "\n");
}

bool misses(const std::vector<std::string>& missing, const std::string& what) {
  return std::any_of(missing.begin(), missing.end(),
                     [&](auto& name) { return name.find(what) != std::string::npos; });
}

} // namespace

TEST_CASE("host sampler: the second sample has rates, the first says that it has none") {
  fake_root root;
  host_sampler sampler(root.path());
  write_host(root, 100, 900, 1000);
  auto first = sampler.sample(second_ns);
  CHECK(first.cores == 1);
  CHECK(first.memory_bytes == 1000 * 1024);
  CHECK(first.memory_free_bytes == 600 * 1024);
  CHECK(first.load1 == 1.5);
  CHECK(first.cpu_share == 0);
  CHECK(first.missing.size() == 3);
  write_host(root, 130, 970, 5000);
  auto second = sampler.sample(3 * second_ns);
  CHECK(second.missing.empty());
  CHECK(second.cpu_share == doctest::Approx(0.3));
  CHECK(second.net_rx_bytes == 2000);
  CHECK(second.net_tx_bytes == 2000);
  CHECK(second.disk_read_bytes == 2000 * 512);
  CHECK(second.disk_write_bytes == 2000 * 512);
}

TEST_CASE("host sampler: what cannot be read is named and comes back by itself") {
  fake_root root;
  host_sampler sampler(root.path());
  write_host(root, 100, 900, 1000);
  sampler.sample(second_ns);
  root.erase("proc/diskstats");
  root.write("proc/meminfo", "MemTotal: lots\n");
  auto broken = sampler.sample(2 * second_ns);
  CHECK(misses(broken.missing, "proc/diskstats"));
  CHECK(misses(broken.missing, "proc/meminfo"));
  CHECK_FALSE(misses(broken.missing, "proc/loadavg"));
  CHECK(broken.memory_bytes == 0);
  write_host(root, 200, 1000, 3000);
  sampler.sample(3 * second_ns);
  write_host(root, 300, 1000, 4000);
  auto whole = sampler.sample(4 * second_ns);
  CHECK(whole.missing.empty());
  CHECK(whole.disk_read_bytes == 1000 * 512);
}

TEST_CASE("host sampler: a counter that goes back gives no rate") {
  fake_root root;
  host_sampler sampler(root.path());
  write_host(root, 100, 900, 1000);
  sampler.sample(second_ns);
  write_host(root, 50, 400, 10);
  auto back = sampler.sample(2 * second_ns);
  CHECK(back.missing.size() == 3);
  CHECK(back.cpu_share == 0);
  CHECK(back.net_rx_bytes == 0);
  auto same_time = sampler.sample(2 * second_ns);
  CHECK(misses(same_time.missing, "proc/net/dev"));
}

TEST_CASE("host sampler: nothing readable is an empty sample, not an error") {
  fake_root root;
  auto got = host_sampler(root.path()).sample(1);
  CHECK(got.missing.size() == 5);
  CHECK(got.cores == 0);
}

TEST_CASE("vci sampler: rates of a process in a version 2 cgroup") {
  fake_root root;
  vci_sampler sampler(7, root.path());
  write_process(root, 100, 1);
  root.write("proc/7/cgroup", "0::/vm\n");
  root.write("sys/fs/cgroup/vm/cpu.stat", "usage_usec 1000000\n");
  root.write("sys/fs/cgroup/vm/memory.current", "4096\n");
  auto first = sampler.sample(second_ns);
  REQUIRE(first);
  CHECK(first->command == "vm");
  CHECK(first->rss_bytes == 8192);
  CHECK(first->cgroup == "/vm");
  CHECK(first->cgroup_memory_bytes == 4096);
  CHECK(first->missing.size() == 3);
  write_process(root, 200, 1);
  root.write("sys/fs/cgroup/vm/cpu.stat", "usage_usec 2500000\n");
  auto second = sampler.sample(3 * second_ns);
  REQUIRE(second);
  CHECK(second->missing.empty());
  CHECK(second->cpu_share == doctest::Approx(0.5));
  CHECK(second->page_faults == 50);
  CHECK(second->read_bytes == 50);
  CHECK(second->write_bytes == 50);
  CHECK(second->cgroup_cpu_share == doctest::Approx(0.75));
}

TEST_CASE("vci sampler: version 1 trees, also beside an empty version 2 tree") {
  fake_root root;
  vci_sampler sampler(7, root.path());
  write_process(root, 100, 1);
  root.write("proc/7/cgroup", "4:memory:/a\n2:cpu,cpuacct:/b\n0::/\n");
  root.write("sys/fs/cgroup/cpuacct/b/cpuacct.usage", "1000000000\n");
  root.write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "777\n");
  REQUIRE(sampler.sample(second_ns));
  root.write("sys/fs/cgroup/cpuacct/b/cpuacct.usage", "1250000000\n");
  auto got = sampler.sample(2 * second_ns);
  REQUIRE(got);
  CHECK(got->missing.empty());
  CHECK(got->cgroup_cpu_share == doctest::Approx(0.25));
  CHECK(got->cgroup_memory_bytes == 777);
  CHECK(got->cgroup == "/a");
}

TEST_CASE("vci sampler: unreadable sources are named") {
  fake_root root;
  vci_sampler sampler(7, root.path());
  write_process(root, 100, 1);
  root.erase("proc/7/io");
  auto got = sampler.sample(second_ns);
  REQUIRE(got);
  CHECK(misses(got->missing, "proc/7/io"));
  CHECK(misses(got->missing, "proc/7/cgroup"));
  root.write("proc/7/cgroup", "2:cpuacct:/b\n");
  got = sampler.sample(2 * second_ns);
  REQUIRE(got);
  CHECK(misses(got->missing, "(no memory)"));
  CHECK(misses(got->missing, "cpuacct.usage"));
}

TEST_CASE("vci sampler: a process that is gone or replaced is not found") {
  fake_root root;
  vci_sampler sampler(7, root.path());
  auto none = sampler.sample(second_ns);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == errc::not_found);
  write_process(root, 100, 1);
  REQUIRE(sampler.sample(second_ns));
  write_process(root, 1, 2);
  CHECK_FALSE(sampler.sample(2 * second_ns));
}

TEST_CASE("samplers: read the machine they run on") {
  vci_sampler process(static_cast<std::uint32_t>(getpid()));
  auto first = process.sample(second_ns);
  REQUIRE(first);
  CHECK(first->rss_bytes > 0);
  CHECK(std::string_view{"unit_telemetry_tests"}.starts_with(first->command));
  auto second = process.sample(2 * second_ns);
  REQUIRE(second);
  CHECK_FALSE(misses(second->missing, "stat"));
  host_sampler host;
  auto machine = host.sample(second_ns);
  CHECK(machine.cores > 0);
  CHECK(machine.memory_bytes > machine.memory_free_bytes);
}
