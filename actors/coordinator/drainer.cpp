// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/drainer.hpp"

#include "core/base/log.hpp"
#include "core/lease/repair.hpp"

#include <caf/send.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto pace = 500ms;
constexpr auto world_timeout = 10s;
constexpr auto batch_timeout = 15min;
constexpr auto flip_timeout = 5min;

/// A host that is silent for a moment is waited for; a cell without room is not.
constexpr unsigned rounds_stuck_max = 120;

} // namespace

drainer_state::drainer_state(interface::pointer self, drainer_parts around,
                             const clock_source& clock, policy rules, drain_order order)
    : self_(self), around_(std::move(around)), clock_(clock), rules_(rules),
      order_(std::move(order)) {}

migrator_actor::behavior_type drainer_state::make_behavior() {
  // Nobody is left to work for once the conductor is gone.
  self_->set_down_handler([this](const caf::down_msg&) { self_->quit(); });
  self_->monitor(around_.conductor);
  return {
      [this](tick) {
        stuck_.clear();
        look();
        if (!ended_)
          compat::send_later(self_, migrator_actor{self_}, pace, tick{});
      },
      [this](run_cancel) {
        canceled_ = true;
        look();
      },
      [](run_arm) {},
  };
}

void drainer_state::look() {
  if (busy_ || ended_)
    return;
  if (canceled_)
    return end(fault{
        errc::canceled,
        fmt::format("canceled; 'foreshift host undrain {}' lets it be used again", order_.host)});
  busy_ = true;
  auto failed = [this](const caf::error& why) {
    busy_ = false;
    end(to_fault(why));
  };
  if (!marked_) {
    self_->request(around_.membership, world_timeout, host_drain_mark{order_.host, true})
        .then(
            [this](const ack&) {
              marked_ = true;
              busy_ = false;
              look();
            },
            failed);
    return;
  }
  self_->request(around_.conductor, world_timeout, world_request{})
      .then(
          [this](const world_ptr& now) {
            busy_ = false;
            step(*now);
          },
          failed);
}

void drainer_state::step(const world& now) {
  if (!announced_)
    announce(now);
  if (order_.remove && leave_out(now))
    return tell("leave out");
  if (relieve(now))
    return tell("replicas");
  bool used = std::any_of(now.volumes.begin(), now.volumes.end(), [&](auto& x) {
    return lease::uses(x.second->facts.placement, order_.host);
  });
  if (used) {
    // Nothing can be done at this moment: hosts are away, flips go first, copies are being freed.
    if (last_fault_ && (last_fault_->code == errc::no_space || ++rounds_stuck_ > rounds_stuck_max))
      return end(last_fault_);
    return tell("wait");
  }
  if (order_.remove)
    return forget();
  end_leases(now);
}

/// Whether a volume still counted on the dead host, and is now told not to.
bool drainer_state::leave_out(const world& now) {
  for (auto& [id, x] : now.volumes)
    if (!x->facts.placement.in_sync(order_.host).isEmpty() && !stuck_.contains(id)) {
      order(loss_order{id, order_.host, 0});
      return true;
    }
  return false;
}

bool drainer_state::relieve(const world& now) {
  return std::any_of(now.volumes.begin(), now.volumes.end(),
                     [&](auto& x) { return !stuck_.contains(x.first) && relieve(*x.second); });
}

/// One step for one volume; false: nothing to do there.
bool drainer_state::relieve(const volume_entry& x) {
  auto& map = x.facts.placement;
  auto want = map.in_sync(order_.host);
  if (auto lost = map.lost().find(order_.host); lost != map.lost().end())
    want |= lost->second.extents;
  auto spare = lease::to_vector(lease::spare_at(map, order_.host, want));
  if (spare.size() > lease::batch_extents_max)
    spare.resize(lease::batch_extents_max);
  bool noted = std::any_of(map.retiring().begin(), map.retiring().end(), [&](auto& sets) {
    return std::binary_search(sets.first.begin(), sets.first.end(), order_.host);
  });
  if (!spare.empty() || (noted && order_.remove))
    order(retire_order{x.id(), order_.host, spare, order_.remove});
  else if (!want.isEmpty())
    order(relocate_order{x.id(), order_.host, want});
  else
    return false;
  return true;
}

template <class Order>
void drainer_state::order(Order what) {
  busy_ = true;
  self_->request(around_.conductor, batch_timeout, what)
      .then(
          [this, volume = what.volume](const finish_ptr& how) {
            if (how->why)
              stuck_.insert(volume);
            batch_over(*how);
          },
          [this, volume = what.volume](const caf::error& why) {
            stuck_.insert(volume);
            lease::finish failed;
            failed.why = to_fault(why);
            batch_over(failed);
          });
}

void drainer_state::batch_over(const lease::finish& how) {
  busy_ = false;
  bytes_moved_ += how.bytes;
  last_fault_ = how.why;
  if (!how.why)
    rounds_stuck_ = 0;
  look();
}

/// Lets clients connect at the new host, and what they will need walk there, while replicas leave:
/// in the order of their names, in which the board takes them too.
void drainer_state::announce(const world& now) {
  announced_.emplace();
  if (order_.to.empty() || !around_.herald)
    return;
  for (auto& [id, x] : now.volumes)
    if (x->facts.lease.holder == order_.host)
      announced_->push_back(x->name());
  std::sort(announced_->begin(), announced_->end());
  auto by_ms = clock_.wall_ms();
  for (auto& volume : *announced_) {
    auto request = packet<schema::Announce>::make([&](auto out) {
      out.setVolume(volume.c_str());
      out.setTo(order_.to.c_str());
      out.setByMs(++by_ms);
    });
    self_->request(around_.herald, world_timeout, request)
        .then([](const packet<schema::Intents>&) {},
              [volume](const caf::error& why) {
                slog::info("volume {} is drained without being announced: {}", volume,
                           to_fault(why).detail);
              });
  }
}

/// A drain that did not come to its end promises nothing any more.
void drainer_state::withdraw() {
  if (!announced_)
    return;
  for (auto& volume : *announced_)
    caf::anon_send(around_.herald, packet<schema::AnnounceWithdraw>::make([&](auto out) {
                     out.setVolume(volume.c_str());
                     out.setTo(order_.to.c_str());
                   }));
}

void drainer_state::end_leases(const world& now) {
  std::vector<std::string> attached;
  for (auto& [id, x] : now.volumes)
    if (x->facts.lease.holder == order_.host)
      attached.push_back(x->name());
  if (attached.empty())
    return end(std::nullopt);
  if (order_.to.empty())
    return end(fault{errc::precondition,
                     fmt::format("no replica is left there, but its clients are: flip {} first, or "
                                 "drain with --to",
                                 fmt::join(attached, ", "))});
  tell("leases");
  busy_ = true;
  auto request = packet<schema::FlipStart>::make([&](auto out) {
    out.setVolume(attached.front().c_str());
    out.setTo(order_.to.c_str());
  });
  self_->request(around_.conductor, flip_timeout, request)
      .then(
          [this](const packet<schema::Task>& got) {
            busy_ = false;
            auto x = got.read();
            if (x.getState() != schema::TaskState::DONE)
              return end(fault{
                  static_cast<errc>(x.getErrorCode()),
                  fmt::format("volume {} stays: {}", x.getName().cStr(), x.getError().cStr())});
            look();
          },
          [this](const caf::error& why) {
            busy_ = false;
            // A task of somebody else's on that volume ends by itself.
            if (to_fault(why).code != errc::busy)
              end(to_fault(why));
          });
}

void drainer_state::forget() {
  tell("forget");
  busy_ = true;
  self_->request(around_.membership, world_timeout, host_forget{order_.host})
      .then([this](const ack&) { end(std::nullopt); },
            [this](const caf::error& why) { end(to_fault(why)); });
}

void drainer_state::tell(std::string phase) {
  auto planned = std::max(order_.bytes_planned, bytes_moved_);
  auto rate = std::max<std::uint64_t>(1, rules_.rates.of_one());
  self_->send(around_.conductor, task_update{order_.task, std::move(phase), 0, planned,
                                             bytes_moved_, (planned - bytes_moved_) * 1000 / rate});
}

void drainer_state::end(std::optional<fault> why) {
  ended_ = true;
  if (why && around_.herald)
    withdraw();
  self_->send(around_.conductor, task_ended{order_.task, nullptr, std::move(why)});
  self_->quit();
}

} // namespace foreshift::control
