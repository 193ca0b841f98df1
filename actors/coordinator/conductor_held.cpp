// SPDX-License-Identifier: Apache-2.0
// Migrations of VMs: their tool says when to prepare, when to take over, and how it went.
#include "actors/coordinator/conductor.hpp"

#include <fmt/format.h>

namespace foreshift::control {

caf::result<packet<schema::Task>> conductor_state::step(const packet<schema::MigrateStep>& x) {
  auto in = x.read();
  auto* owner = book_.find(in.getTask());
  if (!owner)
    return to_caf(fault{errc::not_found, fmt::format("no task {}", in.getTask())});
  if (!owner->held)
    return to_caf(fault{errc::precondition, fmt::format("task {} waits for no word", owner->id)});
  bool verdict =
      in.getStage() == schema::MigrateStage::KEEP || in.getStage() == schema::MigrateStage::BACK;
  if (verdict)
    owner->vm = decode(in.getAccount());
  auto held = held_tasks_.find(owner->id);
  if (held == held_tasks_.end() && !owner->running()) {
    if (verdict)
      save(*owner);
    return encode(*owner);
  }
  // A former process's flip is brought to an end without its tool, which waits for that.
  if (held == held_tasks_.end()) {
    held = held_tasks_.try_emplace(owner->id).first;
    held->second.go = true;
  }
  auto& now = held->second;
  if (in.getStage() == schema::MigrateStage::KEEP && !now.go)
    return to_caf(fault{errc::precondition, "nobody has asked for the takeover yet"});
  now.go |= in.getStage() == schema::MigrateStage::GO;
  if (verdict)
    now.verdict =
        in.getStage() == schema::MigrateStage::KEEP ? lease::word::keep : lease::word::back;
  auto reply = self_->make_response_promise<packet<schema::Task>>();
  now.waiting.emplace_back(in.getStage(), reply);
  if (now.verdict == lease::word::back)
    (void)cancel(owner->id); // before the takeover that is enough
  else if (auto driver = migrators_.find(owner->id); driver != migrators_.end())
    self_->send(driver->second, run_arm{});
  answer_steps(*owner);
  return reply;
}

/// Passes on what the flip listens for now, and answers whoever asked for what has been reached.
void conductor_state::answer_steps(const task& x) {
  auto held = held_tasks_.find(x.id);
  if (held == held_tasks_.end())
    return;
  auto& now = held->second;
  if (x.phase == "armed" && now.go)
    speak(x.id, lease::word::go);
  if (x.phase == "settle" && now.verdict != lease::word::silence)
    speak(x.id, now.verdict);
  auto reached = [&](schema::MigrateStage stage) {
    return !x.running() || (stage == schema::MigrateStage::ARM && now.armed)
           || (stage == schema::MigrateStage::GO && now.taken);
  };
  std::erase_if(now.waiting, [&](auto& one) {
    if (!reached(one.first))
      return false;
    one.second.deliver(encode(x));
    return true;
  });
}

void conductor_state::speak(std::uint64_t task, lease::word what) {
  for (auto& [id, one] : runs_)
    if (one.kind == run_kind::flip && one.task == task && one.actor)
      self_->send(one.actor, run_word{what});
}

/// What the first plan says; what is copied later is counted against it.
void conductor_state::promise(task& x, std::uint64_t bytes) {
  auto held = held_tasks_.find(x.id);
  if (held == held_tasks_.end() || held->second.promised)
    return;
  held->second.promised = true;
  auto next = held->second.prospect;
  next.bytes = bytes;
  x.promised = promise_of(next, book_.vm_pasts());
}

packet<schema::Calibration> conductor_state::calibration() const {
  return packet<schema::Calibration>::make(
      [this](auto out) { encode_calibration(book_.vm_pasts(), out); });
}

} // namespace foreshift::control
