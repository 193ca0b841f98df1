// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"
#include "tests/unit/lease/fake_host.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace foreshift::test {

/// Hosts that hold one volume. `deliver` is a request arriving; it asserts what must never happen.
class fake_hosts {
public:
  explicit fake_hosts(volume_shape shape) : shape_(std::move(shape)) {}

  fake_host& at(const std::string& name) { return hosts_[name]; }
  std::function<void(const std::string& host, schema::PlaneConfigure::Reader)> on_configure;
  std::function<void(const std::string& host, const door::envelope&)> on_request; ///< Before it.
  std::function<void(const std::vector<std::uint32_t>& extents)> on_pull;
  std::map<std::string, fake_host>& all() { return hosts_; }

  result<door::envelope> deliver(const std::string& name, const door::envelope& request);

  /// A client's write at the primary: to every replica of its map and every mirror. False: held,
  /// because not all of them have it; nothing of it is acknowledged.
  bool write(std::uint32_t extent, int value);

  /// I3: what was acknowledged is at every host that `map` names, unless that is out of reach.
  void check_data(const placement_map& map);

  std::map<std::uint32_t, int> acknowledged;

  /// The machine starts again: its replica went back to `older`, and it holds no lease any more.
  void power_cycle(const std::string& name, std::map<std::uint32_t, int> older);

  /// kill -9 of the data plane. Leases, fences and replicas are durable; which blocks of a staged
  /// copy mirrored writes had filled is not, so such a copy can only be staged anew.
  void kill(const std::string& name);
  void restart(const std::string& name) { hosts_.at(name).up = true; }

private:
  using verdict = std::optional<fault>;

  static verdict refuse(std::string detail) { return fault{errc::refused, std::move(detail)}; }

  verdict prepare(fake_host& host, schema::PlanePrepare::Reader x);

  verdict stand_by(const std::string& name, fake_host& host, schema::PlaneStandby::Reader x);

  verdict take_over(const std::string& name, fake_host& host, schema::PlaneTakeover::Reader x,
                    door::envelope& reply);

  /// I1: one holder an epoch; an older primary must be fenced wherever the new one writes.
  void become_primary(const std::string& name, fake_host& host, std::uint64_t epoch);

  verdict only_primary(fake_host& host, std::uint64_t epoch);

  verdict mirror(fake_host& host, schema::PlaneMirror::Reader x);

  /// A resync keeps what is here; a fresh copy is empty.
  verdict stage(const std::string& name, fake_host& host, schema::PlaneStage::Reader x);

  /// Compares what the move copied; at a host that is down nothing can be.
  verdict verify(fake_host& host, schema::PlaneVerify::Reader x);

  verdict pull(fake_host& host, schema::AgentMove::Reader x, door::envelope& reply);

  verdict commit(fake_host& host, schema::PlaneCommit::Reader x);

  /// A map may only route reads to hosts that hold the extent.
  verdict adopt(fake_host& host, schema::PlaneAdopt::Reader x);

  verdict retire(const std::string& name, fake_host& host, schema::PlaneRetire::Reader x);

  volume_shape shape_;
  std::map<std::string, fake_host> hosts_;
  std::map<std::uint64_t, std::string> owners_;
  std::uint64_t highest_ = 0;
  std::uint64_t doubts_ = 0;

public:
  /// The next takeover's promotion stops after so many hosts.
  std::optional<int> promotions_left;
  int pulled_changed = 0; ///< Extents that resyncs were told of.
};

} // namespace foreshift::test
