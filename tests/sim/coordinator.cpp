// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/coordinator.hpp"

#include "core/lease/requests.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

#include <algorithm>
#include <utility>

namespace foreshift::sim {

using namespace std::chrono_literals;

namespace {

constexpr unsigned extents_per_pull = 4; ///< As the agent's mover.

} // namespace

coordinator::coordinator(ledger& records, std::vector<std::string> hosts)
    : records_(records), hosts_(std::move(hosts)) {}

void coordinator::start() {
  process_ = kernel::make_process("coordinator", "cell");
  kernel::trace("start coordinator");
  kernel::spawn(process_, [this] {
    auto fresh = std::make_shared<memory>();
    fresh->keeper = make_sim_store(records_, ++tokens_);
    fresh->io = std::make_unique<door::io_thread>();
    memory_ = fresh;
    heal_for_ever();
  });
}

void coordinator::kill() {
  if (!up())
    return;
  kernel::kill(process_);
  new std::shared_ptr<memory>(std::move(memory_)); // nothing of it is destroyed in order
  memory_ = nullptr;
}

int& coordinator::misses_of(std::uint64_t volume) {
  return memory_->misses[volume];
}

door::client& coordinator::door_of(const std::string& host) {
  auto& door = memory_->doors[host];
  if (!door) {
    door::client_options how;
    how.address = "unix:" + host + ".plane"; // the agent's relay, without the agent
    door = door::client::open(*memory_->io, how);
  }
  return *door;
}

result<lease::volume_facts> coordinator::facts(std::uint64_t volume) const {
  for (const auto& shape : records_.volumes()) {
    if (shape.id != volume)
      continue;
    auto map = records_.placement(shape);
    auto lease = records_.lease(volume);
    if (!map || !lease)
      break;
    lease::volume_facts out{*map};
    out.placement_revision = records_.records.at(lease::placement_key(volume)).revision;
    out.lease = *lease;
    out.lease_revision = records_.records.at(lease::lease_key(volume)).revision;
    for (const auto& x : records_.moves())
      if (x.volume == volume)
        out.moves[x.id] = {x, records_.records.at(lease::move_key(x.id)).revision};
    for (const auto& host : hosts_)
      out.peers.push_back({host, host + ":10809", host + ":10810", host + ":10811", ""});
    return out;
  }
  return fault{errc::not_found, "no such volume"};
}

bool coordinator::busy(std::uint64_t volume, bool flips) const {
  return std::any_of(memory_->runs.begin(), memory_->runs.end(), [&](const auto& x) {
    return x->volume == volume && x->flips == flips && !x->over;
  });
}

bool coordinator::moves_now(std::uint64_t move) const {
  return std::any_of(memory_->runs.begin(), memory_->runs.end(),
                     [&](const auto& x) { return x->move == move && !x->over; });
}

bool coordinator::losing(std::uint64_t volume) const {
  return std::any_of(memory_->runs.begin(), memory_->runs.end(),
                     [&](const auto& x) { return x->volume == volume && x->loses && !x->over; });
}

void coordinator::cancel_moves(std::uint64_t volume) {
  for (const auto& x : memory_->runs)
    if (x->volume == volume && !x->flips && !x->loses) {
      x->inbox.push_back(lease::cancel{});
      kernel::wake(x.get());
    }
}

lease::finish coordinator::drive(const std::shared_ptr<run>& x) {
  memory_->runs.push_back(x);
  x->inbox.push_back(lease::started{});
  for (;;) {
    while (x->inbox.empty())
      kernel::block(x.get());
    auto next = std::move(x->inbox.front());
    x->inbox.pop_front();
    for (auto& action : x->what->step(std::move(next))) {
      if (auto* send = std::get_if<lease::send>(&action)) {
        perform(x, *send);
      } else if (auto* commit = std::get_if<lease::commit>(&action)) {
        x->inbox.push_back(
            lease::committed{commit->id, memory_->keeper->txn(commit->compares, commit->ops)});
      } else if (auto* look = std::get_if<lease::load>(&action)) {
        x->inbox.push_back(load(x, *look));
      } else if (auto* pause = std::get_if<lease::pause>(&action)) {
        kernel::sleep(pause->span.count() * ms);
        x->inbox.push_back(lease::elapsed{pause->id});
      } else if (std::holds_alternative<lease::leave>(action) && memory_->section == x) {
        memory_->section = nullptr;
        kernel::wake(memory_.get());
      } else if (auto* end = std::get_if<lease::finish>(&action)) {
        x->over = true;
        if (memory_->section == x)
          memory_->section = nullptr;
        kernel::trace(std::string{x->flips   ? "flip"
                                  : x->loses ? "loss"
                                             : "move"}
                      + " ended" + (end->why ? ": " + to_string(*end->why) : ""));
        std::erase(memory_->runs, x);
        kernel::wake(memory_.get());
        return *end;
      }
    }
  }
}

void coordinator::perform(const std::shared_ptr<run>& x, const lease::send& what) {
  if (what.request.type == packet<schema::AgentMove>::type_id) {
    kernel::spawn(process_, [this, x, what] { pull(x, what); });
    return;
  }
  door_of(what.host).call(what.request, what.timeout,
                          [x, id = what.id](result<door::envelope> got) {
                            x->inbox.push_back(lease::replied{id, std::move(got)});
                            kernel::wake(x.get());
                          });
}

/// The agent's part of a move: a few extents at a time.
void coordinator::pull(const std::shared_ptr<run>& x, const lease::send& what) {
  auto order = packet<schema::AgentMove>::admit(what.request.payload);
  auto in = order->read();
  std::uint64_t copied = 0, skipped = 0;
  result<void> outcome;
  for (unsigned at = 0; outcome && at < in.getExtents().size(); at += extents_per_pull) {
    auto count = std::min(extents_per_pull, in.getExtents().size() - at);
    auto request = packet<schema::PlanePull>::make([&](auto out) {
      out.setVolume(in.getVolume());
      out.setMove(in.getMove());
      out.setSource(in.getSource());
      auto list = out.initExtents(count);
      for (unsigned i = 0; i < count; ++i)
        list.set(i, in.getExtents()[at + i]);
      out.setChanged(in.getChanged());
      out.setMore(at + count < in.getExtents().size());
    });
    auto got = door_of(what.host).ask<schema::PlanePulled>(request, 30s);
    if (!got) {
      outcome = got.error();
      break;
    }
    copied += got->read().getBytesCopied();
    skipped += got->read().getBytesSkipped();
  }
  auto answer = packet<schema::AgentMoved>::make([&](auto out) {
    out.setBytesCopied(copied);
    out.setBytesSkipped(skipped);
  });
  auto reply = outcome ? result<door::envelope>{door::wrap(answer)}
                       : result<door::envelope>{outcome.error()};
  x->inbox.push_back(lease::replied{what.id, std::move(reply)});
  kernel::wake(x.get());
}

lease::input coordinator::load(const std::shared_ptr<run>& x, const lease::load& what) {
  if (what.kind == lease::load_kind::settle) {
    cancel_moves(x->volume);
    while (busy(x->volume, false))
      kernel::block(memory_.get());
  } else if (what.kind == lease::load_kind::enter) {
    while (memory_->section != nullptr && memory_->section != x)
      kernel::block(memory_.get());
    memory_->section = x;
  }
  return lease::loaded{what.id, facts(x->volume)};
}

lease::finish coordinator::flip(std::uint64_t volume, const std::string& to, bool forced) {
  lease::finish refused;
  refused.why = fault{errc::busy, "the lease is changing hands"};
  auto now = facts(volume);
  if (!now || now->lease.prepared.id != 0 || busy(volume, true))
    return refused;
  lease::flip_request request;
  request.task = ++ids_;
  request.volume = volume;
  request.to = to;
  request.forced = forced;
  request.timeout = 3s;
  auto x = std::make_shared<run>();
  x->what = std::make_unique<lease::flip_machine>(request);
  x->volume = volume;
  x->flips = true;
  return drive(x);
}

lease::finish coordinator::move(std::uint64_t volume, const std::string& from,
                                const std::string& to, std::vector<std::uint32_t> extents,
                                bool resync) {
  lease::finish refused;
  refused.why = fault{errc::busy, "the lease is changing hands"};
  if (busy(volume, true))
    return refused;
  lease::move_request request;
  request.id = ++ids_;
  request.volume = volume;
  request.source = from;
  request.destination = to;
  request.extents = std::move(extents);
  request.resync = resync;
  auto x = std::make_shared<run>();
  x->move = request.id;
  x->volume = volume;
  x->what = std::make_unique<lease::move_machine>(std::move(request));
  return drive(x);
}

lease::finish coordinator::retire(std::uint64_t volume, const std::string& host,
                                  std::vector<std::uint32_t> extents) {
  lease::finish refused;
  refused.why = fault{errc::busy, "the lease is changing hands"};
  if (busy(volume, true))
    return refused;
  auto x = std::make_shared<run>();
  x->volume = volume;
  x->what = std::make_unique<lease::retire_machine>(
      lease::retire_request{volume, host, std::move(extents)});
  return drive(x);
}

} // namespace foreshift::sim
