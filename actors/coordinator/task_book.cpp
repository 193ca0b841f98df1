// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/task_book.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

void fill(const task& x, schema::Task::Builder out) {
  out.setId(x.id);
  out.setKind(x.kind);
  out.setState(x.state);
  out.setVolume(x.volume);
  out.setName(x.name.c_str());
  out.setFrom(x.from.c_str());
  out.setTo(x.to.c_str());
  out.setPhase(x.phase.c_str());
  out.setStartedMs(x.started_ms);
  out.setEndedMs(x.ended_ms);
  out.setGate(x.gate);
  out.setCoverage(x.coverage);
  out.setCoverageAtFlip(x.coverage_at_flip);
  out.setBytesPlanned(x.bytes_planned);
  out.setBytesMoved(x.bytes_moved);
  out.setBytesMovedInFlip(x.bytes_moved_in_flip);
  out.setEtaMs(x.eta_ms);
  out.setEpoch(x.epoch);
  lease::encode(x.flip, out.initFlip());
  auto phases = out.initPhases(static_cast<unsigned>(x.phases.size()));
  for (unsigned i = 0; i < x.phases.size(); ++i) {
    phases[i].setName(x.phases[i].name.c_str());
    phases[i].setStartMs(x.phases[i].start_ms);
    phases[i].setDurationUs(x.phases[i].duration_us);
  }
  out.setErrorCode(x.error_code);
  out.setError(x.error.c_str());
  out.setCancelRequested(x.cancel_requested);
  out.setHeld(x.held);
  out.setImplicit(x.implicit);
  if (!x.held)
    return;
  encode(x.promised, out.initPromised());
  encode(x.vm, out.initVm());
}

} // namespace

packet<schema::Task> encode(const task& x) {
  return packet<schema::Task>::make([&](auto out) { fill(x, out); });
}

task decode_task(schema::Task::Reader in) {
  task x;
  x.id = in.getId();
  x.kind = in.getKind();
  x.state = in.getState();
  x.volume = in.getVolume();
  x.name = in.getName().cStr();
  x.from = in.getFrom().cStr();
  x.to = in.getTo().cStr();
  x.phase = in.getPhase().cStr();
  x.started_ms = in.getStartedMs();
  x.ended_ms = in.getEndedMs();
  x.gate = in.getGate();
  x.coverage = in.getCoverage();
  x.coverage_at_flip = in.getCoverageAtFlip();
  x.bytes_planned = in.getBytesPlanned();
  x.bytes_moved = in.getBytesMoved();
  x.bytes_moved_in_flip = in.getBytesMovedInFlip();
  x.epoch = in.getEpoch();
  x.flip = lease::decode(in.getFlip());
  for (auto phase : in.getPhases())
    x.phases.push_back({phase.getName().cStr(), phase.getStartMs(), phase.getDurationUs()});
  x.error_code = in.getErrorCode();
  x.error = in.getError().cStr();
  x.cancel_requested = in.getCancelRequested();
  x.held = in.getHeld();
  x.implicit = in.getImplicit();
  x.promised = decode(in.getPromised());
  x.vm = decode(in.getVm());
  return x;
}

std::string task_key(std::uint64_t id) {
  return fmt::format("tasks/{:016}", id);
}

task& task_book::add(task x) {
  x.id = ++last_;
  return tasks_[x.id] = std::move(x);
}

void task_book::restore(task x) {
  seen(x.id);
  auto id = x.id;
  tasks_[id] = std::move(x);
}

void task_book::seen(std::uint64_t id) {
  last_ = std::max(last_, id);
}

task* task_book::find(std::uint64_t id) {
  auto at = tasks_.find(id);
  return at == tasks_.end() ? nullptr : &at->second;
}

const task* task_book::running_of(std::uint64_t volume) const {
  auto at = std::find_if(tasks_.begin(), tasks_.end(),
                         [&](auto& x) { return x.second.running() && x.second.volume == volume; });
  return at == tasks_.end() ? nullptr : &at->second;
}

std::vector<std::uint64_t> task_book::running() const {
  std::vector<std::uint64_t> ids;
  for (auto& [id, x] : tasks_)
    if (x.running())
      ids.push_back(id);
  return ids;
}

packet<schema::Tasks> task_book::list(bool all) const {
  std::vector<const task*> chosen;
  for (auto& [id, x] : tasks_)
    if (all || x.running())
      chosen.push_back(&x);
  return packet<schema::Tasks>::make([&](auto out) {
    auto rows = out.initTasks(static_cast<unsigned>(chosen.size()));
    for (unsigned i = 0; i < chosen.size(); ++i)
      fill(*chosen[i], rows[i]);
  });
}

std::vector<vm_past> task_book::vm_pasts() const {
  std::vector<vm_past> out;
  for (auto& [id, x] : tasks_) {
    bool arrived = x.held && x.state == schema::TaskState::DONE && x.vm.blackout_us > 0;
    if (!arrived)
      continue;
    if (!out.empty() && out.back().came == x.vm)
      out.back().bytes_moved += x.bytes_moved;
    else
      out.push_back({x.promised, x.vm, x.bytes_moved});
  }
  return out;
}

std::map<std::uint64_t, std::map<std::string, std::uint32_t>> task_book::visits() const {
  std::map<std::uint64_t, std::map<std::string, std::uint32_t>> out;
  for (auto& [id, x] : tasks_) {
    bool went = x.kind == schema::TaskKind::FLIP || x.kind == schema::TaskKind::MIGRATE;
    if (went && x.state == schema::TaskState::DONE && !x.from.empty() && !x.to.empty())
      ++out[x.volume][x.to];
  }
  return out;
}

void task_book::close_phase(task& x, std::int64_t now_ns) {
  auto began = phase_began_ns_.find(x.id);
  if (began == phase_began_ns_.end() || x.phases.empty())
    return;
  x.phases.back().duration_us = static_cast<std::uint64_t>(now_ns - began->second) / 1000;
  phase_began_ns_.erase(began);
}

void task_book::enter(task& x, std::string phase, std::int64_t now_ms, std::int64_t now_ns) {
  if (x.phase == phase && phase_began_ns_.contains(x.id))
    return;
  close_phase(x, now_ns);
  x.phase = phase;
  x.phases.push_back({std::move(phase), now_ms, 0});
  phase_began_ns_[x.id] = now_ns;
}

void task_book::end(task& x, const std::optional<fault>& why, std::int64_t now_ms,
                    std::int64_t now_ns) {
  close_phase(x, now_ns);
  x.ended_ms = now_ms;
  x.eta_ms = 0;
  x.state = !why                          ? schema::TaskState::DONE
            : why->code == errc::canceled ? schema::TaskState::CANCELED
                                          : schema::TaskState::FAILED;
  if (why) {
    x.error_code = static_cast<std::uint16_t>(why->code);
    x.error = why->detail;
  }
}

std::vector<std::uint64_t> task_book::prune() {
  std::vector<std::uint64_t> gone;
  for (auto at = tasks_.begin(); at != tasks_.end() && tasks_.size() > tasks_kept_max;)
    if (at->second.running()) {
      ++at;
    } else {
      gone.push_back(at->first);
      at = tasks_.erase(at);
    }
  return gone;
}

} // namespace foreshift::control
