// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/vm_volume.hpp"

#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <thread>

namespace foreshift::cli {

namespace {

using namespace std::chrono_literals;

/// A coordinator that restarts is waited for: its leases are in the store.
constexpr auto patience = 30s;
constexpr auto retry_pause = 200ms;
/// Preparing and rolling back may include hosts that answer late.
constexpr auto step_timeout = 120s;

bool is_silence(const fault& why) {
  return why.code == errc::unreachable || why.code == errc::timeout;
}

fault ended(schema::Task::Reader task) {
  auto code = static_cast<errc>(task.getErrorCode());
  return {code == errc::ok ? errc::failed : code,
          fmt::format("task {}: {}", task.getId(),
                      task.getError().size() > 0 ? view(task.getError()) : "has ended")};
}

/// Asks until somebody answers.
template <class Ask>
auto insist(Ask&& ask) -> decltype(ask()) {
  auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto got = ask();
    if (got || !is_silence(got.error()) || std::chrono::steady_clock::now() >= until)
      return got;
    std::this_thread::sleep_for(retry_pause);
  }
}

} // namespace

std::string promise_line(schema::VmPromise::Reader x) {
  auto ms = [](std::uint64_t us) { return format_duration(std::chrono::microseconds{us}); };
  auto line = fmt::format("{} of extents and {} of RAM", format_bytes(x.getBytes()),
                          format_bytes(x.getRamBytes()));
  if (x.getDurationMs() > 0)
    line += " in " + format_duration(std::chrono::milliseconds{x.getDurationMs()});
  if (x.getBasis() == 0)
    return line + "; no blackout promised: no VM has migrated here yet";
  return line
         + fmt::format("; blackout {} ({} to {}, from {} migrations)", ms(x.getBlackoutUs()),
                       ms(x.getBlackoutLowUs()), ms(x.getBlackoutHighUs()), x.getBasis());
}

packet<schema::MigrateStep> vm_volume::order(schema::MigrateStage stage,
                                             const vm_account& account) const {
  return packet<schema::MigrateStep>::make([&](auto x) {
    x.setTask(task_);
    x.setStage(stage);
    encode(account, x.initAccount());
  });
}

vm_volume::answer vm_volume::step(schema::MigrateStage stage, const vm_account& account) {
  auto request = order(stage, account);
  return insist([&] { return session_.ask<schema::Task>(request, step_timeout); });
}

result<std::string> vm_volume::holder() {
  auto request = packet<schema::VolumeShow>::make([&](auto x) { x.setName(name_.c_str()); });
  auto info = insist([&] { return session_.ask<schema::VolumeInfo>(request); });
  if (!info)
    return info.error();
  return str(info->read().getLease().getHolder());
}

result<void> vm_volume::begin(std::uint64_t ram_bytes, std::uint64_t bandwidth_bytes) {
  auto plain = encode(what_, name_);
  if (!plain)
    return plain.error();
  auto request = packet<schema::MigrateStart>::make([&](auto x) {
    auto y = plain->read();
    x.setVolume(y.getVolume());
    x.setTo(y.getTo());
    x.setGate(y.getGate());
    x.setTimeoutMs(y.getTimeoutMs());
    x.setNoPreposition(y.getNoPreposition());
    x.setHeld(true);
    x.setRamBytes(ram_bytes);
    x.setBandwidthBytes(bandwidth_bytes);
  });
  auto task = session_.ask<schema::Task>(request);
  if (!task)
    return task.error();
  task_ = task->read().getId();
  source_ = str(task->read().getFrom());
  clock_.say(fmt::format("task {}: volume {} from {} to {}", task_, name_, source_, what_.to));
  return {};
}

result<void> vm_volume::resume() {
  auto all =
      session_.ask<schema::Tasks>(packet<schema::TaskList>::make([](auto x) { x.setAll(true); }));
  if (!all)
    return all.error();
  for (auto task : all->read().getTasks())
    if (task.getHeld() && view(task.getName()) == name_ && view(task.getTo()) == what_.to) {
      task_ = task.getId();
      source_ = str(task.getFrom());
    }
  if (task_ == 0)
    return fault{errc::not_found, fmt::format("no VM with volume '{}' was on its way to host '{}'",
                                              name_, what_.to)};
  return {};
}

result<bool> vm_volume::ready() {
  auto request = packet<schema::TaskShow>::make([&](auto x) { x.setId(task_); });
  auto task = insist([&] { return session_.ask<schema::Task>(request); });
  if (!task)
    return task.error();
  auto now = task->read();
  if (now.getState() != schema::TaskState::RUNNING)
    return ended(now);
  if (auto word = str(now.getPhase()); word != phase_) {
    phase_ = word;
    clock_.say(fmt::format("{}: {}, coverage {} (gate {})", name_, phase_,
                           percent(now.getCoverage()), percent(now.getGate())));
    if (phase_ == "ready")
      clock_.say(name_ + ": " + promise_line(now.getPromised()));
  }
  return phase_ == "ready";
}

void vm_volume::ask_to_arm() {
  asked_ = session_.send<schema::Task>(order(schema::MigrateStage::ARM, {}), step_timeout);
}

result<bool> vm_volume::armed() {
  if (!asked_.valid())
    return true;
  if (asked_.wait_for(0s) != std::future_status::ready)
    return false;
  auto task = asked_.get();
  if (!task && is_silence(task.error())) { // as `insist`
    auto now = std::chrono::steady_clock::now();
    if (!arm_until_)
      arm_until_ = now + patience;
    if (now >= *arm_until_)
      return task.error();
    ask_to_arm();
    return false;
  }
  if (!task)
    return task.error();
  if (task->read().getState() != schema::TaskState::RUNNING)
    return ended(task->read());
  return true;
}

void vm_volume::ask_to_take() {
  asked_ = session_.send<schema::Task>(order(schema::MigrateStage::GO, {}), step_timeout);
}

result<take_times> vm_volume::take() {
  auto task = asked_.valid() ? asked_.get() : step(schema::MigrateStage::GO, {});
  if (!task && is_silence(task.error()))
    task = step(schema::MigrateStage::GO, {});
  if (!task && is_silence(task.error()))
    return fault{errc::unreachable, task.error().detail};
  auto why = task ? ended(task->read()) : task.error();
  if (why.code == errc::unreachable) // who is, is another: the coordinator has spoken
    why.code = errc::failed;
  // Done: by a coordinator that took over from the one that was asked, or for want of a word.
  auto state = task ? task->read().getState() : schema::TaskState::FAILED;
  if (state != schema::TaskState::RUNNING && state != schema::TaskState::DONE) {
    auto who = holder();
    if (!who)
      return fault{errc::unreachable, who.error().detail};
    if (*who != what_.to)
      return why;
    return take_times{};
  }
  auto flip = task->read().getFlip();
  return take_times{flip.getDrainUs(), flip.getPromoteUs() + flip.getServeUs()};
}

result<void> vm_volume::keep(const vm_account& account) {
  auto task = step(schema::MigrateStage::KEEP, account);
  if (!task)
    return task.error();
  return task->read().getState() == schema::TaskState::DONE ? result<void>{} : ended(task->read());
}

result<void> vm_volume::give_back(const vm_account& account) {
  if (task_ == 0)
    return {}; // never begun
  if (auto task = step(schema::MigrateStage::BACK, account); !task && is_silence(task.error()))
    return task.error();
  auto who = holder();
  if (!who)
    return who.error();
  if (*who == source_)
    return {};
  // The task had ended already: with a coordinator that restarted, or for want of a word.
  clock_.say(fmt::format("{}: flips back to {}", name_, source_));
  auto request = packet<schema::FlipStart>::make([&](auto x) {
    x.setVolume(name_.c_str());
    x.setTo(source_.c_str());
  });
  auto back = insist([&] { return session_.ask<schema::Task>(request, step_timeout); });
  if (!back)
    return back.error();
  return back->read().getState() == schema::TaskState::DONE ? result<void>{} : ended(back->read());
}

} // namespace foreshift::cli
