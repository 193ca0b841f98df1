// SPDX-License-Identifier: Apache-2.0
// What an examination does about its findings: each cure frees only what nothing names, or takes
// away only what others hold, and asks for it where that is decided under the volume's guard.
#include "actors/coordinator/examination.hpp"
#include "core/base/units.hpp"
#include "core/lease/requests.hpp"

#include <fmt/format.h>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto cure_timeout = 60s;

std::string said(const fault& why) {
  return "not done: " + why.detail;
}

} // namespace

void examination_state::cure(std::size_t index) {
  while (index < findings_.size() && !findings_[index].cure)
    ++index;
  if (index == findings_.size())
    return conclude();
  auto what = *findings_[index].cure;
  auto then = [this, index](const outcome& how) { cured(index, how); };
  using kind = diagnosis::remedy::kind;
  switch (what.what) {
  case kind::sweep:
    return order_sweep(what, then);
  case kind::unwatch:
    return tell(what.host, lease::unwatch(what.volume, what.since), "ended", then);
  case kind::adopt:
  case kind::leave_out:
    return leave_out(what, then);
  case kind::reopen:
    return leave_out(what, [this, what, then](const outcome& how) {
      if (!how.good)
        return then(how);
      auto request = door::wrap(
          packet<schema::PlaneReopen>::make([&](auto out) { out.setVolume(what.volume); }));
      tell(what.host, std::move(request), "emptied and taken into use again; it gets its data back",
           then);
    });
  }
}

/// A host that the map leaves out already is only made known to the primary again.
void examination_state::leave_out(const diagnosis::remedy& what,
                                  std::function<void(outcome)> then) {
  auto done = what.what == diagnosis::remedy::kind::adopt
                  ? "the primary was told"
                  : "left out of the map; it returns by resynchronisation";
  self_->request(around_.conductor, cure_timeout, loss_order{what.volume, what.host, 0})
      .then(
          [then, done](const finish_ptr& how) {
            then(how->why ? outcome{said(*how->why), false} : outcome{done, true});
          },
          [then](const caf::error& why) {
            then({said(to_fault(why)), false});
          });
}

void examination_state::order_sweep(const diagnosis::remedy& what,
                                    std::function<void(outcome)> then) {
  self_->request(around_.conductor, cure_timeout, sweep_order{what.volume, what.host})
      .then(
          [then](const finish_ptr& how) {
            then(how->why ? outcome{said(*how->why), false}
                          : outcome{"freed " + format_bytes(how->bytes), true});
          },
          [then](const caf::error& why) {
            then({said(to_fault(why)), false});
          });
}

void examination_state::tell(const std::string& host, door::envelope request, std::string done,
                             std::function<void(outcome)> then) {
  ask(host, std::move(request), [then, done](auto& got) {
    then(got ? outcome{done, true} : outcome{said(got.error()), false});
  });
}

void examination_state::cured(std::size_t index, const outcome& how) {
  auto& x = findings_[index];
  outcomes_[index] = how;
  self_->send(around_.events,
              event_note{how.good ? "info" : "warning", x.subject,
                         fmt::format("doctor --repair: {}: {}", x.reason, how.text)});
  cure(index + 1);
}

} // namespace foreshift::control
