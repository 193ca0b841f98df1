// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/agent/messages.hpp"
#include "actors/base/errors.hpp"
#include "actors/base/hosted.hpp"
#include "core/base/clock.hpp"
#include "tests/support/test_system.hpp"

#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace foreshift::test {

/// A data plane that answers from what the test put here, and remembers what it was asked.
struct plane_script {
  bool up = true;
  std::uint32_t pid = 100;
  packet<schema::PlaneStatus> status;
  std::vector<packet<schema::PlaneLog>> logs; ///< Handed out in order, then nothing.
  std::vector<std::vector<std::uint32_t>> pulls;
  std::vector<bool> more;        ///< Of each pull: whether it may leave syncing to a later one.
  std::size_t changed_bytes = 0; ///< Of the last pull.
  std::uint64_t bytes_per_extent = 1u << 20;
  packet<schema::PlaneSuspects> suspects; ///< Told to whoever asks with another serial.
  std::vector<caf::typed_response_promise<packet<schema::PlaneSuspects>>> waiting;

  /// The data plane's suspects are these; whoever waits hears of it with the next Ping.
  void suspect(std::uint64_t serial, const std::vector<std::string>& hosts,
               const std::vector<std::uint64_t>& wishes = {}) {
    suspects = packet<schema::PlaneSuspects>::make([&](auto root) {
      root.setSerial(serial);
      root.setWishes(kj::arrayPtr(wishes.data(), wishes.size()));
      auto list = root.initSuspects(static_cast<unsigned>(hosts.size()));
      for (unsigned i = 0; i < hosts.size(); ++i)
        list[i].setHost(hosts[i].c_str());
    });
  }
};

class fake_plane_state {
public:
  using interface = plane_actor;
  static constexpr const char* name = "fake plane";

  fake_plane_state(interface::pointer self, std::shared_ptr<plane_script> script)
      : self_(self), script_(std::move(script)) {}

  interface::behavior_type make_behavior() {
    return {
        [this](const packet<schema::Ping>&) {
          for (auto& promise : std::exchange(script_->waiting, {}))
            promise.deliver(script_->suspects);
          return answer(packet<schema::Pong>::make([this](auto x) { x.setPid(script_->pid); }));
        },
        [this](const packet<schema::PlaneStatusGet>&) { return answer(script_->status); },
        [this](const packet<schema::PlaneLogGet>&) { return answer(next_log()); },
        [this](const packet<schema::PlanePull>& x) { return answer(pull(x)); },
        [this](const packet<schema::PlaneSuspectsWait>& x) { return suspects(x); },
    };
  }

private:
  template <class Schema>
  caf::result<packet<Schema>> answer(packet<Schema> x) const {
    if (!script_->up)
      return to_caf({errc::unreachable, "the data plane of host-a is down"});
    return x;
  }

  caf::result<packet<schema::PlaneSuspects>> suspects(const packet<schema::PlaneSuspectsWait>& x) {
    if (!script_->up || x.read().getSerial() != script_->suspects.read().getSerial())
      return answer(script_->suspects);
    auto promise = self_->make_response_promise<packet<schema::PlaneSuspects>>();
    script_->waiting.push_back(promise);
    return promise;
  }

  packet<schema::PlaneLog> next_log() {
    if (!script_->up || script_->logs.empty())
      return packet<schema::PlaneLog>::make([](auto) {});
    auto out = script_->logs.front();
    script_->logs.erase(script_->logs.begin());
    return out;
  }

  packet<schema::PlanePulled> pull(const packet<schema::PlanePull>& x) {
    auto extents = x.read().getExtents();
    script_->pulls.emplace_back();
    script_->more.push_back(x.read().getMore());
    script_->changed_bytes = x.read().getChanged().size();
    for (auto extent : extents)
      script_->pulls.back().push_back(extent);
    return packet<schema::PlanePulled>::make(
        [&](auto root) { root.setBytesCopied(extents.size() * script_->bytes_per_extent); });
  }

  interface::pointer self_;
  std::shared_ptr<plane_script> script_;
};

/// Takes what a collector or a forecaster sends upwards, and answers with `wanted`.
struct uplink_script {
  packet<schema::HostWelcome> wanted;
  std::vector<packet<schema::HostReport>> reports;
  std::vector<packet<schema::ForecastReport>> forecasts;
  std::vector<packet<schema::ReplicasSuspected>> suspected;
  std::vector<packet<schema::LeaseWanted>> wanted_leases;
  std::vector<packet<schema::GuestExpected>> expected;
};

class fake_uplink_state {
public:
  using interface = uplink_actor;
  static constexpr const char* name = "fake uplink";

  fake_uplink_state(interface::pointer, std::shared_ptr<uplink_script> script)
      : script_(std::move(script)) {}

  interface::behavior_type make_behavior() {
    return {
        [this](const packet<schema::HostReport>& x) {
          script_->reports.push_back(x);
          return script_->wanted;
        },
        [](const packet<schema::AgentStatusGet>&) { return packet<schema::AgentStatus>{}; },
        [this](const packet<schema::ForecastReport>& x) { script_->forecasts.push_back(x); },
        [this](const packet<schema::ReplicasSuspected>& x) { script_->suspected.push_back(x); },
        [this](const packet<schema::LeaseWanted>& x) { script_->wanted_leases.push_back(x); },
        [this](const packet<schema::GuestExpected>& x) {
          script_->expected.push_back(x);
          return packet<schema::Done>{};
        },
        [](tick_alarm) {},
    };
  }

private:
  std::shared_ptr<uplink_script> script_;
};

/// The deterministic actor system with a clock that moves along.
struct agent_fixture : test_system {
  manual_clock clock;
  std::shared_ptr<plane_script> plane_does = std::make_shared<plane_script>();
  std::shared_ptr<uplink_script> uplink_does = std::make_shared<uplink_script>();
  plane_actor plane = system.spawn<hosted<fake_plane_state>>(plane_does);
  uplink_actor up = system.spawn<hosted<fake_uplink_state>>(uplink_does);

  /// Moves both clocks, in steps small enough that no periodic timer is skipped.
  void pass(std::chrono::milliseconds span, std::chrono::milliseconds step) {
    for (auto done = step; done <= span; done += step) {
      clock.advance(step);
      advance(step);
    }
  }
};

/// A status with one volume, as a data plane gives it.
inline packet<schema::PlaneStatus> plane_status(std::uint64_t volume, schema::LeaseState state,
                                                std::uint64_t reads = 0) {
  return packet<schema::PlaneStatus>::make([&](auto root) {
    root.setPid(100);
    auto x = root.initVolumes(1)[0];
    x.setId(volume);
    x.setState(state);
    x.setSizeBytes(1u << 30);
    x.setExtentBytes(1u << 20);
    x.initIo().setReads(reads);
  });
}

/// A log of `count` reads of 4 KiB in `extent`, a millisecond apart.
inline packet<schema::PlaneLog> read_log(std::uint64_t volume, std::int64_t start_ms,
                                         std::uint32_t extent, unsigned count) {
  return packet<schema::PlaneLog>::make([&](auto root) {
    auto batch = root.initBatches(1)[0];
    batch.setVolume(volume);
    batch.setStartMs(start_ms);
    auto records = batch.initRecords(count);
    for (unsigned i = 0; i < count; ++i) {
      records[i].setAtUs(i * 1000);
      records[i].setSector(std::uint64_t{extent} * 2048 + i % 256 * 8);
      records[i].setBytes(4096);
    }
  });
}

} // namespace foreshift::test
