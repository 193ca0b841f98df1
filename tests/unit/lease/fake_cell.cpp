// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/lease/fake_cell.hpp"

#include "tests/unit/lease/at_rest.hpp"

#include <doctest/doctest.h>

#include <deque>

namespace foreshift::test {

fake_cell::fake_cell(unsigned replicas) : shape(make_small_shape(7, replicas)), hosts(shape) {
  placement_map map{shape};
  for (auto name : {"a", "b", "c"})
    for (std::uint32_t e = 0; e < shape.extents(); ++e)
      if (hosts.at(name); map.holds(name, e))
        hosts.at(name).replicas.insert(e);
  lease::lease_record none;
  none.volume = shape.id;
  std::vector<store_op> ops;
  ops.push_back({lease::lease_key(shape.id), lease::to_value(none)});
  ops.push_back({lease::placement_key(shape.id), lease::to_value(map.encode())});
  REQUIRE(bool(store.txn({}, ops)));
}

lease::volume_facts fake_cell::facts() const {
  auto* lease_record = store.find(lease::lease_key(shape.id));
  auto* placement = store.find(lease::placement_key(shape.id));
  auto stored_map = packet<schema::Placement>::admit(as_bytes(placement->value));
  auto map = placement_map::decode(shape, stored_map->read());
  lease::volume_facts now{*map};
  now.placement_revision = placement->revision;
  auto stored_lease = packet<schema::Lease>::admit(as_bytes(lease_record->value));
  now.lease = lease::decode(stored_lease->read());
  now.lease_revision = lease_record->revision;
  auto moves = store.range("moves/");
  for (auto& record : *moves) {
    auto move = packet<schema::MoveRecord>::admit(as_bytes(record.value));
    auto x = lease::decode(move->read());
    now.moves[x.id] = {x, record.revision};
  }
  for (auto name : {"a", "b", "c"})
    now.peers.push_back({name, "", "", "", ""});
  return now;
}

std::optional<lease::finish> fake_cell::drive(lease::machine& uut) {
  std::deque<lease::action> todo;
  auto feed = [&](lease::input in) {
    for (auto& action : uut.step(std::move(in)))
      todo.push_back(std::move(action));
  };
  feed(lease::started{});
  for (int steps = 0; !todo.empty(); ++steps) {
    REQUIRE(steps < 2000);
    auto next = std::move(todo.front());
    todo.pop_front();
    if (auto* end = std::get_if<lease::finish>(&next))
      return *end;
    if (auto* began = std::get_if<lease::note>(&next))
      if (auto said = words.find(began->phase); said != words.end())
        feed(lease::told{said->second});
    if (std::holds_alternative<lease::note>(next) || std::holds_alternative<lease::leave>(next))
      continue;
    auto at = actions++;
    auto bad = plan.find(at);
    auto what = bad == plan.end() ? std::optional<trouble>{} : bad->second;
    if (what == trouble::crash_before)
      return std::nullopt;
    if (on_action)
      on_action(next);
    auto answer = execute(next, what);
    if (what == trouble::crash_after)
      return std::nullopt;
    if (cancel_at == at)
      feed(lease::cancel{});
    feed(std::move(answer));
  }
  FAIL("the machine neither ended nor asked for anything");
  return std::nullopt;
}

void fake_cell::recover() {
  plan.clear();
  cancel_at.reset();
  hosts.promotions_left.reset();
  for (int round = 0; round < 20; ++round) {
    auto now = facts();
    if (now.lease.prepared.id != 0) {
      lease::flip_request request;
      request.task = now.lease.prepared.id;
      request.volume = shape.id;
      lease::flip_machine again{request};
      (void)drive(again);
    } else if (!now.moves.empty()) {
      auto again = lease::move_machine::resume(now.moves.begin()->second.record);
      (void)drive(*again);
    } else if (!now.placement.retiring().empty()) {
      lease::retire_machine again{{shape.id, "", {}}};
      (void)drive(again);
    } else if (lost_holder(now)) {
      lease::flip_request request;
      request.task = ++task;
      request.volume = shape.id;
      request.to = now.lease.holder;
      request.reattach = true;
      lease::flip_machine again{request};
      (void)drive(again);
    } else if (auto host = doubting(); !host.empty()) {
      (void)settle_doubt(host);
    } else {
      sweep(now);
      return;
    }
  }
  FAIL("recovery does not end");
}

void fake_cell::check_clean() {
  auto now = facts();
  check_at_rest(now, hosts);
  for (auto& [known, host] : hosts.all()) {
    auto& name = known;
    CAPTURE(name);
    CHECK(host.mirrored.empty());
    auto lost = now.placement.lost().find(name);
    for (std::uint32_t e = 0; e < shape.extents(); ++e)
      if (lost == now.placement.lost().end() || !lost->second.extents.contains(e))
        CHECK(host.replicas.contains(e) == now.placement.holds(name, e));
  }
  auto degraded = now.placement.degraded();
  for (auto& [name, lost] : now.placement.lost())
    degraded -= lost.extents;
  CHECK(degraded.isEmpty());
}

std::optional<lease::finish> fake_cell::flip(std::string to, bool forced, bool held) {
  lease::flip_request request;
  request.held = held;
  request.task = ++task;
  request.volume = shape.id;
  request.to = std::move(to);
  request.forced = forced;
  lease::flip_machine uut{request};
  return drive(uut);
}

std::optional<lease::finish> fake_cell::implicit_flip(std::string to) {
  lease::flip_request request;
  request.task = ++task;
  request.volume = shape.id;
  request.to = std::move(to);
  request.quiet = std::chrono::milliseconds{20};
  lease::flip_machine uut{request};
  return drive(uut);
}

std::optional<lease::finish> fake_cell::move(std::string from, std::string to,
                                             std::vector<std::uint32_t> extents) {
  lease::move_request request;
  request.id = ++task;
  request.volume = shape.id;
  request.source = std::move(from);
  request.destination = std::move(to);
  request.extents = std::move(extents);
  lease::move_machine uut{request};
  return drive(uut);
}

std::optional<lease::finish> fake_cell::retire(std::string host,
                                               std::vector<std::uint32_t> extents) {
  lease::retire_machine uut{{shape.id, std::move(host), std::move(extents)}};
  return drive(uut);
}

std::optional<lease::finish> fake_cell::lose(std::string host) {
  lease::loss_machine uut{{shape.id, std::move(host), facts().lease.held_epoch}};
  return drive(uut);
}

std::optional<lease::finish> fake_cell::settle_doubt(const std::string& host) {
  lease::loss_machine uut{{shape.id, host, 0, hosts.at(host).doubt}};
  return drive(uut);
}

std::optional<lease::finish> fake_cell::resync(const std::string& host) {
  std::map<std::string, std::vector<std::uint32_t>> batches;
  auto map = facts().placement;
  if (auto lost = map.lost().find(host); lost != map.lost().end())
    for (auto extent : lost->second.extents)
      batches[map.replicas(extent).front()].push_back(extent);
  std::optional<lease::finish> last = lease::finish{};
  for (auto& [source, extents] : batches) {
    lease::move_request request;
    request.id = ++task;
    request.volume = shape.id;
    request.source = source;
    request.destination = host;
    request.extents = extents;
    request.resync = true;
    lease::move_machine uut{request};
    last = drive(uut);
    if (!last || last->why)
      return last;
  }
  return last;
}

std::string fake_cell::doubting() {
  for (auto& [name, host] : hosts.all())
    if (host.up && host.doubt != 0)
      return name;
  return {};
}

bool fake_cell::lost_holder(const lease::volume_facts& now) {
  if (now.lease.holder.empty())
    return false;
  auto& host = hosts.at(now.lease.holder);
  return host.state != schema::LeaseState::PRIMARY || host.epoch != now.lease.held_epoch;
}

void fake_cell::sweep(const lease::volume_facts& now) {
  for (auto& [name, host] : hosts.all()) {
    host.staged.clear();
    if (name != now.lease.holder && host.state != schema::LeaseState::NONE)
      (void)hosts.deliver(name, release_of(host.epoch));
  }
}

door::envelope fake_cell::release_of(std::uint64_t epoch) const {
  return door::wrap(packet<schema::PlaneRelease>::make([&](auto out) {
    out.setVolume(shape.id);
    out.setEpoch(epoch);
  }));
}

lease::input fake_cell::execute(lease::action& next, std::optional<trouble> what) {
  bool run = what != trouble::lost_request && what != trouble::failure;
  if (auto* send = std::get_if<lease::send>(&next)) {
    auto got = run ? hosts.deliver(send->host, send->request)
                   : result<door::envelope>{fault{errc::failed, "injected"}};
    if (what == trouble::lost_request || what == trouble::lost_reply)
      got = fault{errc::timeout, "injected"};
    return lease::replied{send->id, std::move(got)};
  }
  if (auto* commit = std::get_if<lease::commit>(&next)) {
    auto got = run ? store.txn(commit->compares, commit->ops)
                   : result<std::uint64_t>{fault{errc::refused, "injected"}};
    if (what == trouble::lost_request || what == trouble::lost_reply)
      got = fault{errc::storage, "injected"};
    return lease::committed{commit->id, std::move(got)};
  }
  if (auto* load = std::get_if<lease::load>(&next)) {
    auto got = run ? result<lease::volume_facts>{facts()}
                   : result<lease::volume_facts>{fault{errc::storage, "injected"}};
    return lease::loaded{load->id, std::move(got)};
  }
  return lease::elapsed{std::get<lease::pause>(next).id};
}

} // namespace foreshift::test
