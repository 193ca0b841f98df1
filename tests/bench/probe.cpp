// SPDX-License-Identifier: Apache-2.0
// bench_probe put DIR N | tcp N: what the machine itself can do, printed beside our figures as JSON
// {"p50_us":..,"p99_us":..,"runs":..}. `put` is one synced RocksDB put, `tcp` one 64-byte round
// trip over loopback TCP with TCP_NODELAY between two threads.
#include "core/base/clock.hpp"

#include <rocksdb/db.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

template <class Body>
int report(std::size_t runs, Body body) {
  std::vector<double> took_us;
  for (std::size_t i = 0; i < runs; ++i) {
    auto start = foreshift::system_clock().monotonic_ns();
    if (!body())
      return 1;
    took_us.push_back(static_cast<double>(foreshift::system_clock().monotonic_ns() - start) / 1e3);
  }
  std::sort(took_us.begin(), took_us.end());
  std::printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"runs\":%zu}\n", took_us[runs / 2],
              took_us[runs * 99 / 100], runs);
  return 0;
}

int measure_put(const std::string& path, std::size_t runs) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  if (!rocksdb::DB::Open(options, path, &raw).ok())
    return 1;
  std::unique_ptr<rocksdb::DB> db{raw};
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return report(runs, [&] { return db->Put(synced, "key", std::string(100, 'v')).ok(); });
}

bool move_all(int fd, std::array<char, 64>& data, bool out) {
  for (std::size_t done = 0; done < data.size();) {
    auto n = out ? write(fd, data.data() + done, data.size() - done)
                 : read(fd, data.data() + done, data.size() - done);
    if (n <= 0)
      return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

int measure_tcp(std::size_t runs) {
  int one = 1;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  if (bind(listener, reinterpret_cast<sockaddr*>(&where), size) != 0 || listen(listener, 1) != 0)
    return 1;
  getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size);
  std::thread echo([&] {
    int fd = accept(listener, nullptr, nullptr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::array<char, 64> data{};
    while (move_all(fd, data, false) && move_all(fd, data, true)) {
    }
    close(fd);
  });
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  std::array<char, 64> data{};
  int failed = connect(fd, reinterpret_cast<sockaddr*>(&where), size);
  if (failed == 0)
    failed = report(runs, [&] { return move_all(fd, data, true) && move_all(fd, data, false); });
  close(fd);
  close(listener);
  echo.join();
  return failed;
}

} // namespace

int main(int argc, char** argv) {
  auto mode = std::string_view{argc > 1 ? argv[1] : ""};
  if (mode == "put" && argc == 4)
    return measure_put(argv[2], std::strtoul(argv[3], nullptr, 10));
  if (mode == "tcp" && argc == 3)
    return measure_tcp(std::strtoul(argv[2], nullptr, 10));
  std::fprintf(stderr, "usage: bench_probe put DIR N | tcp N\n");
  return 2;
}
