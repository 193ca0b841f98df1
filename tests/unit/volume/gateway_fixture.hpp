// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/gateway.hpp"
#include "tests/unit/volume/memory_extents.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace foreshift::test {

inline std::vector<std::byte> filled(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

/// Hosts a, b and c in memory, a volume of 8 extents of 64 KiB, and a's gateway.
struct gateway_fixture {
  explicit gateway_fixture(std::vector<std::string> homes, std::uint32_t replicas)
      : directory(std::filesystem::temp_directory_path()
                  / ("foreshift-gateway-" + std::to_string(::getpid()) + "-"
                     + std::to_string(std::rand()))) {
    std::filesystem::create_directories(directory);
    shape.id = 7;
    shape.name = "vol";
    shape.size_bytes = 8 * 65536;
    shape.extent_bytes = 65536;
    shape.partition_bytes = 65536;
    shape.replicas = replicas;
    shape.homes = std::move(homes);
    for (std::string name : {"a", "b", "c"})
      hosts[name] = make_host(name);
    intents = *write_intents::open(directory / "intents");
    gate = make_gate("a");
  }
  ~gateway_fixture() {
    gate.reset();
    intents.reset();
    std::filesystem::remove_all(directory);
  }

  std::shared_ptr<memory_extents> make_host(const std::string& name) {
    auto is_home = [this, name](std::uint32_t extent) {
      auto homes = home_of(shape, extent);
      return std::find(homes.begin(), homes.end(), name) != homes.end();
    };
    return std::make_shared<memory_extents>(
        volume_layout{shape.id, shape.size_bytes, shape.extent_bytes, is_home});
  }

  std::unique_ptr<gateway> make_gate(const std::string& host) {
    gateway_options options;
    options.host = host;
    options.retry_pause = std::chrono::milliseconds{1};
    options.suspects = &suspects;
    auto links = [this](const link_target& target) -> std::shared_ptr<peer_link> {
      return std::make_shared<memory_link>(hosts.at(target.host),
                                           io_permit{target.epoch, target.move});
    };
    return std::make_unique<gateway>(options, shape, hosts.at(host), links, *intents, log, clock);
  }

  /// A new process of host a.
  void restart() {
    gate.reset();
    intents.reset();
    intents = *write_intents::open(directory / "intents");
    gate = make_gate("a");
  }

  void promote(std::uint64_t epoch, const std::string& holder) {
    for (auto& [name, host] : hosts)
      REQUIRE(host->promote(epoch, holder));
  }

  /// Makes `on` primary at `epoch`, as a flip would.
  void attach(gateway& on, std::uint64_t epoch, const std::string& holder) {
    REQUIRE(on.standby(epoch, map, {}));
    promote(epoch, holder);
    on.serve(epoch);
  }
  void attach(std::uint64_t epoch = 1) { attach(*gate, epoch, "a"); }

  std::filesystem::path directory;
  volume_shape shape;
  manual_clock clock;
  suspect_board suspects{clock};
  access_ring log{1024};
  std::map<std::string, std::shared_ptr<memory_extents>> hosts;
  std::unique_ptr<write_intents> intents;
  std::unique_ptr<gateway> gate;

  /// Everything at home; made on first use because it depends on `shape`.
  struct lazy_map {
    gateway_fixture* owner;
    operator placement_map() const { return placement_map{owner->shape}; }
  };
  lazy_map map{this};
};

/// Waits for a condition another thread brings about; the test's own time limit bounds it.
template <class Condition>
void eventually(Condition condition) {
  while (!condition())
    std::this_thread::yield();
}

} // namespace foreshift::test
