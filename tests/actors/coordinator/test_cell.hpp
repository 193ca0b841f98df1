// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/coordinator/cell.hpp"
#include "core/base/log.hpp"
#include "tests/support/shapes.hpp"
#include "tests/support/test_system.hpp"
#include "tests/unit/lease/fake_hosts.hpp"

#include <memory>
#include <string>
#include <vector>

namespace foreshift::test {

using namespace std::chrono_literals;

/// A whole coordinator over three model hosts, in virtual time. Volume "vol1" gets id 1: one
/// replica an extent on a or b, or two on any of the three.
class test_cell {
public:
  explicit test_cell(unsigned replicas = 1, std::shared_ptr<store> records = make_memory_store());

  ~test_cell() { stop(); }

  const volume_shape& shape() const { return shape_; }

  void start();

  /// kill -9: nothing that is under way goes on.
  void crash();

  /// After a crash: another coordinator, which the hosts that are up greet.
  void restart();

  /// Lets at most `steps` messages be handled.
  void run_steps(int steps);

  void stop();

  void advance(std::chrono::milliseconds span);

  void hello(const std::string& host);

  /// What the host's agent would report now.
  void report(const std::string& host);

  void report_all();

  void create();

  template <class Request, class Fill>
  result<packet<schema::Task>> run(Fill fill) {
    return world.try_ask<packet<schema::Task>>(x.conductor, packet<Request>::make(fill));
  }

  result<packet<schema::Task>> attach(const char* host);

  result<packet<schema::Task>> flip(const char* host);

  result<packet<schema::Task>> migrate(const char* host, double gate = 0.9,
                                       std::uint32_t timeout_ms = 60'000);

  /// `reporter`'s primary waits for `host`.
  void suspect(const char* reporter, const char* host, std::uint64_t epoch);
  void suspect(const char* reporter, const std::vector<const char*>& all, std::uint64_t epoch);

  /// Seconds in which every living host reports.
  void live(int seconds);

  packet<schema::VolumeInfo> show();

  packet<schema::Task> task(std::uint64_t id);

  lease::volume_facts facts();

  /// A forecast in which extents 0 to 7 are equally hot.
  void forecast(const char* host);

  /// The record and the hosts say the same, and nothing is left over.
  void check_clean();

private:
  const volume_shape shape_;

public:
  control::policy rules;
  fake_hosts hosts;
  manual_clock clock;
  test_system world;
  std::uint64_t free_bytes = 1u << 29;
  control::cell x;

private:
  /// Every actor of the cell; also runners and migrators end, because they watch the conductor.
  std::vector<caf::strong_actor_ptr> actors() const;

  std::shared_ptr<store> store_;
};

} // namespace foreshift::test
