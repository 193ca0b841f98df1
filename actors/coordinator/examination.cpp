// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/examination.hpp"

#include "core/door/certificate.hpp"
#include "core/lease/requests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto world_timeout = 10s;
constexpr auto ask_timeout = 5s;
constexpr auto port_timeout = 2s;
constexpr std::size_t jobs_open_max = 32;
constexpr std::size_t peers_max = 64;

void add_certificate(const std::string& path, diagnosis::evidence& out) {
  if (path.empty())
    return;
  diagnosis::certificate one;
  one.path = path;
  if (auto known = door::read_certificate(path)) {
    one.subject = known->common_name;
    one.begins_ms = known->begins_ms;
    one.ends_ms = known->ends_ms;
  } else {
    one.fault = known.error().detail;
  }
  out.certificates.push_back(std::move(one));
}

door::envelope questions(const world& all, const std::string& host) {
  std::vector<const lease::host_address*> peers;
  auto at = all.hosts.upper_bound(host);
  for (std::size_t i = 0; i < all.hosts.size() && peers.size() < peers_max; ++i) {
    if (at == all.hosts.end())
      at = all.hosts.begin();
    if (at->first != host)
      peers.push_back(&at->second->address);
    ++at;
  }
  return door::wrap(packet<schema::HostExamine>::make([&](auto out) {
    out.setTimeoutMs(static_cast<std::uint32_t>(std::chrono::milliseconds{port_timeout}.count()));
    auto rows = out.initPeers(static_cast<unsigned>(peers.size()));
    for (unsigned i = 0; i < rows.size(); ++i)
      lease::encode(*peers[i], rows[i]);
  }));
}

bool same(const lease::volume_facts& x, const lease::volume_facts& y) {
  auto ids = [](auto& moves) {
    std::vector<std::uint64_t> out;
    for (auto& [id, move] : moves)
      out.push_back(id);
    return out;
  };
  return x.lease == y.lease && x.placement == y.placement && ids(x.moves) == ids(y.moves);
}

} // namespace

examination_state::examination_state(interface::pointer self, doctor_parts around,
                                     const clock_source& clock, examination_order order)
    : self_(self), around_(std::move(around)), clock_(clock), order_(std::move(order)) {}

examination_actor::behavior_type examination_state::make_behavior() {
  return {[this](tick) { return begin(); }};
}

examination_state::answer examination_state::begin() {
  reply_ = self_->make_response_promise<packet<schema::Diagnosis>>();
  seen_.version = order_.version;
  seen_.tool_version = order_.tool_version;
  seen_.now_ms = clock_.wall_ms();
  add_certificate(order_.tls.certificate, seen_);
  add_certificate(order_.tls.ca, seen_);
  ask_world([this](const world_ptr& now) { meet(now); });
  return reply_;
}

void examination_state::meet(const world_ptr& now) {
  world_ = now;
  for (auto& [id, volume] : now->volumes)
    seen_.volumes.emplace(id, volume->facts);
  std::deque<job> visits;
  for (auto& [key, entry] : now->hosts) {
    auto host = key;
    auto& seen = seen_.hosts[host];
    seen.address = entry->address;
    seen.up = entry->up;
    seen.draining = entry->draining;
    seen.version = entry->version;
    if (!entry->up)
      continue;
    visits.push_back([this, host](std::function<void()> done) { see_agent(host, done); });
    visits.push_back([this, host](std::function<void()> done) { see_plane(host, done); });
  }
  do_all(std::move(visits), [this] { take_inventories(); });
}

void examination_state::see_agent(const std::string& host, std::function<void()> done) {
  seen_.hosts[host].asked_ms = clock_.wall_ms();
  ask(host, questions(*world_, host), [this, host, done](auto& got) {
    auto& seen = seen_.hosts[host];
    seen.answered_ms = clock_.wall_ms();
    if (auto told = lease::as<schema::HostExamined>(got))
      seen.examined = *told;
    else
      seen.agent_fault = told.error().detail;
    done();
  });
}

void examination_state::see_plane(const std::string& host, std::function<void()> done) {
  ask(host, lease::plane_status(0), [this, host, done](auto& got) {
    auto& seen = seen_.hosts[host];
    if (auto told = lease::as<schema::PlaneStatus>(got))
      seen.plane = *told;
    else
      seen.plane_fault = told.error().detail;
    done();
  });
}

void examination_state::take_inventories() {
  std::deque<job> all;
  for (auto& [key, seen] : seen_.hosts) {
    if (!seen.plane)
      continue;
    for (auto row : seen.plane->read().getVolumes())
      if (auto id = row.getId(); seen_.volumes.contains(id))
        all.push_back([this, id, host = key](std::function<void()> done) {
          take_inventory(id, host, std::move(done));
        });
  }
  do_all(std::move(all), [this] { weigh_gaps(); });
}

void examination_state::take_inventory(std::uint64_t volume, const std::string& host,
                                       std::function<void()> done) {
  ask(host, lease::inventory_get(volume), [this, volume, host, done](auto& got) {
    auto& at = seen_.volumes.at(volume);
    if (auto told = lease::as<schema::PlaneInventory>(got))
      if (auto sets = diagnosis::decode(told->read(), at.facts.shape().extents()))
        at.inventories[host] = *std::move(sets);
    done();
  });
}

void examination_state::weigh_gaps() {
  std::deque<job> all;
  for (auto& [id, volume] : seen_.volumes)
    for (auto& one : diagnosis::possible_gaps(volume))
      all.push_back([this, which = id, one](std::function<void()> done) {
        weigh(which, one, std::move(done));
      });
  do_all(std::move(all), [this] { ask_world([this](const world_ptr& now) { compare(now); }); });
}

/// An extent that a move made is there although it is all zeroes.
void examination_state::weigh(std::uint64_t volume, const diagnosis::gap& possible,
                              std::function<void()> done) {
  lease::move_record which;
  which.volume = volume;
  which.extents = possible.extents;
  ask(possible.holder, lease::digest(which), [this, volume, possible, done](auto& got) {
    auto told = lease::as<schema::PlaneDigests>(got);
    diagnosis::gap real{possible.holder, possible.host, {}};
    if (told && told->read().getDigests().size() == possible.extents.size())
      for (unsigned i = 0; i < possible.extents.size(); ++i)
        if (told->read().getDigests()[i] != 0)
          real.extents.push_back(possible.extents[i]);
    if (real.extents.empty())
      return done();
    look_again(volume, real, done);
  });
}

/// A write may have arrived at one host before, at the other after it was asked.
void examination_state::look_again(std::uint64_t volume, const diagnosis::gap& before,
                                   std::function<void()> done) {
  ask(before.host, lease::inventory_get(volume), [this, volume, before, done](auto& got) {
    auto& at = seen_.volumes.at(volume);
    auto told = lease::as<schema::PlaneInventory>(got);
    auto sets = told ? diagnosis::decode(told->read(), at.facts.shape().extents())
                     : result<diagnosis::kept>{told.error()};
    if (sets) {
      diagnosis::gap left{before.holder, before.host, {}};
      for (auto extent : before.extents)
        if (!sets->present.contains(extent))
          left.extents.push_back(extent);
      if (!left.extents.empty())
        at.gaps.push_back(std::move(left));
    }
    done();
  });
}

void examination_state::compare(const world_ptr& later) {
  for (auto& [id, volume] : seen_.volumes) {
    auto at = later->volumes.find(id);
    volume.changed = at == later->volumes.end() || !same(at->second->facts, volume.facts);
  }
  findings_ = diagnosis::examine(seen_);
  outcomes_.resize(findings_.size());
  if (order_.repair)
    cure(0);
  else
    conclude();
}

void examination_state::conclude() {
  reply_.deliver(packet<schema::Diagnosis>::make([&](auto out) {
    auto worst = diagnosis::verdict::ok;
    auto rows = out.initChecks(static_cast<unsigned>(findings_.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
      auto& x = findings_[i];
      if (!outcomes_[i].good)
        worst = std::max(worst, x.how);
      rows[i].setName(x.check.c_str());
      rows[i].setSubject(x.subject.c_str());
      rows[i].setVerdict(static_cast<schema::Verdict>(x.how));
      rows[i].setReason(x.reason.c_str());
      rows[i].setAdvice(x.advice.c_str());
      rows[i].setRepair(outcomes_[i].text.c_str());
      rows[i].setRepaired(outcomes_[i].good);
    }
    out.setVerdict(static_cast<schema::Verdict>(worst));
  }));
  self_->quit();
}

void examination_state::ask_world(std::function<void(const world_ptr&)> then) {
  self_->request(around_.conductor, world_timeout, world_request{})
      .then([then](const world_ptr& now) { then(now); },
            [this](const caf::error& why) { fail(why); });
}

void examination_state::ask(const std::string& host, door::envelope request,
                            std::function<void(const result<door::envelope>&)> then) {
  relay letter{host, sealed{std::move(request)}, ask_timeout};
  self_->request(around_.membership, ask_timeout + 1s, std::move(letter))
      .then([then](const sealed& got) { then(*got); },
            [then](const caf::error& why) { then(to_fault(why)); });
}

/// Some at once; `then` when all are done.
void examination_state::do_all(std::deque<job> jobs, std::function<void()> then) {
  jobs_ = std::move(jobs);
  jobs_then_ = std::move(then);
  auto next = std::make_shared<std::function<void()>>();
  std::weak_ptr<std::function<void()>> again = next;
  *next = [this, again] {
    while (jobs_open_ < jobs_open_max && !jobs_.empty()) {
      auto one = std::move(jobs_.front());
      jobs_.pop_front();
      ++jobs_open_;
      one([this, next = again.lock()] {
        --jobs_open_;
        (*next)();
      });
    }
    if (jobs_open_ == 0 && jobs_.empty() && jobs_then_)
      std::exchange(jobs_then_, nullptr)();
  };
  (*next)();
}

void examination_state::fail(const caf::error& why) {
  reply_.deliver(why);
  self_->quit();
}

} // namespace foreshift::control
