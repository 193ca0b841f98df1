// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/interrupts.hpp"
#include "agents/cli/tasks.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <thread>

namespace foreshift::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto poll_interval = 200ms;
/// A coordinator that restarts is waited for; its tasks go on after it.
constexpr auto coordinator_patience = 30s;

std::string progress_line(schema::Task::Reader t, bool tty) {
  auto share = t.getBytesPlanned() == 0 ? 0.0
                                        : static_cast<double>(t.getBytesMoved())
                                              / static_cast<double>(t.getBytesPlanned());
  if (t.getVolume() == 0)
    return fmt::format("{}: {} of {}", view(t.getPhase()), format_bytes(t.getBytesMoved()),
                       format_bytes(t.getBytesPlanned()));
  auto eta = t.getEtaMs() == 0 ? std::string{"-"}
                               : format_duration(std::chrono::milliseconds{t.getEtaMs()});
  auto tail = fmt::format("{} of {}, coverage {} (gate {}), ETA {}",
                          format_bytes(t.getBytesMoved()), format_bytes(t.getBytesPlanned()),
                          percent(t.getCoverage()), percent(t.getGate()), eta);
  if (tty)
    return fmt::format("{:<12} {} {}", view(t.getPhase()), bar(share, 24), tail);
  return fmt::format("{}: {}", view(t.getPhase()), tail);
}

/// Shows where a task stands: one line rewritten on a terminal, else a line when something changed.
class progress {
public:
  explicit progress(bool quiet) : quiet_(quiet), tty_(on_terminal()) {}
  ~progress() { end(); }

  void show(schema::Task::Reader t) {
    if (quiet_)
      return;
    auto line = progress_line(t, tty_);
    if (line == last_)
      return;
    last_ = line;
    if (tty_)
      fmt::print("\r\x1b[K{}", line);
    else
      fmt::print("{}\n", line);
    std::fflush(stdout);
    open_ = tty_;
  }

  /// Ends the rewritten line, so that other text starts on its own.
  void end() {
    if (open_)
      fmt::print("\n");
    open_ = false;
  }

private:
  bool quiet_;
  bool tty_;
  bool open_ = false;
  std::string last_;
};

void request_cancel(session& s, std::uint64_t id) {
  auto got = s.ask<schema::Task>(packet<schema::TaskCancel>::make([&](auto x) { x.setId(id); }));
  if (!got)
    s.fail(got.error());
}

/// Says who owns the volume now; after a cancel that is what an operator wants to know.
void say_owner(session& s, const std::string& volume) {
  auto info = s.ask<schema::VolumeInfo>(
      packet<schema::VolumeShow>::make([&](auto x) { x.setName(volume.c_str()); }));
  if (!info)
    return;
  auto lease = info->read().getLease();
  auto who = lease.getHolder().size() == 0 ? std::string{"nobody"} : str(lease.getHolder());
  fmt::print(stderr, "volume {} is owned by {} at epoch {}\n", volume, who, lease.getHeldEpoch());
}

/// Follows a task to its end.
result<packet<schema::Task>> follow(session& s, packet<schema::Task> task, progress& out) {
  auto id = task.read().getId();
  auto ask_for = packet<schema::TaskShow>::make([&](auto x) { x.setId(id); });
  auto heard = std::chrono::steady_clock::now();
  bool canceled = false;
  while (task.read().getState() == schema::TaskState::RUNNING) {
    out.show(task.read());
    if (interrupts() > 0 && !canceled) {
      canceled = true;
      out.end();
      fmt::print(stderr, "canceling; waiting for a clean end (Ctrl-C again leaves it to the "
                         "coordinator)\n");
      request_cancel(s, id);
    }
    if (interrupts() > 1)
      return fault{errc::canceled, fmt::format("task {} left to end by itself", id)};
    std::this_thread::sleep_for(poll_interval);
    auto got = s.ask<schema::Task>(ask_for);
    auto now = std::chrono::steady_clock::now();
    if (got) {
      task = *got;
      heard = now;
    } else if (got.error().code != errc::unreachable && got.error().code != errc::timeout) {
      return got.error();
    } else if (now - heard > coordinator_patience) {
      return got.error();
    }
  }
  out.show(task.read());
  return task;
}

} // namespace

result<packet<schema::MigrateStart>> encode(const migrate_request& what,
                                            const std::string& volume) {
  auto gate = parse_share(what.gate);
  if (!gate)
    return gate.error();
  auto timeout = parse_duration(what.timeout);
  if (!timeout)
    return timeout.error();
  if (timeout->count() < 1 || timeout->count() > 24LL * 3600 * 1000)
    return fault{errc::invalid, "a timeout must be between 1ms and 24h"};
  return packet<schema::MigrateStart>::make([&](auto x) {
    x.setVolume(volume.c_str());
    x.setTo(what.to.c_str());
    x.setGate(*gate);
    x.setTimeoutMs(static_cast<std::uint32_t>(timeout->count()));
    x.setNoPreposition(what.no_preposition);
  });
}

int migrate(session& s, const migrate_request& how) {
  auto what = how;
  if (what.to == "auto") {
    if (!what.qmp.empty())
      return s.fail({errc::invalid, "with --qmp-dest the destination is known: name it"});
    auto best = best_target(s, what.volumes.front());
    if (!best)
      return s.fail(best.error());
    what.to = *best;
  }
  if (!what.qmp.empty() || !what.qmp_dest.empty())
    return migrate_vm(s, what);
  if (what.volumes.size() != 1)
    return s.fail({errc::invalid, "several volumes migrate together only with their VM: name its "
                                  "monitors with --qmp and --qmp-dest"});
  auto request = encode(what, what.volumes.front());
  if (!request)
    return s.fail(request.error());
  auto task = s.ask<schema::Task>(*request, task_timeout);
  if (!task)
    return s.fail(task.error());
  if (what.no_wait)
    return report_task(s, *task);
  return follow_task(s, *task);
}

int follow_task(session& s, const packet<schema::Task>& task) {
  interrupt_guard guard;
  progress out{s.json()};
  auto ended = follow(s, task, out);
  out.end();
  if (!ended)
    return s.fail(ended.error());
  auto code = report_task(s, *ended);
  if (ended->read().getState() != schema::TaskState::DONE && task.read().getVolume() != 0)
    say_owner(s, str(task.read().getName()));
  return code;
}

} // namespace foreshift::cli
