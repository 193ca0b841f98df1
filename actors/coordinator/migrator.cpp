// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/migrator.hpp"

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto pace = 200ms;
constexpr auto survey_timeout = 10s;
constexpr auto batch_timeout = 15min;
constexpr auto flip_timeout = 30min; // a held one listens meanwhile

/// About so long a batch copies: nothing of it counts before all of it is there.
constexpr std::chrono::duration<double> batch_span = 1s;
constexpr double batch_extents_min = 4;

/// Colder extents do not pay even when somebody waits for them.
constexpr double gain_min = 0.01;

} // namespace

migrator_state::migrator_state(interface::pointer self, conductor_actor conductor,
                               board_actor board, const clock_source& clock, policy rules,
                               migration_order order)
    : self_(self), conductor_(std::move(conductor)), board_(std::move(board)), clock_(clock),
      rules_(rules), order_(std::move(order)), began_ns_(clock.monotonic_ns()) {}

migrator_actor::behavior_type migrator_state::make_behavior() {
  // Nobody is left to work for once the conductor is gone.
  self_->set_down_handler([this](const caf::down_msg&) { self_->quit(); });
  self_->monitor(conductor_);
  return {
      [this](tick) {
        look();
        if (!flipping_)
          compat::send_later(self_, migrator_actor{self_}, pace, tick{});
      },
      [this](run_cancel) {
        canceled_ = true;
        look();
      },
      [this](run_arm) {
        armed_ = true;
        look();
      },
  };
}

void migrator_state::look() {
  if (looking_ || flipping_)
    return;
  if (stopping_)
    return stop(*stopping_);
  looking_ = true;
  survey_request question{order_.volume,
                          order_.to,
                          {in_flight_.begin(), in_flight_.end()},
                          gain_min,
                          rules_.budget_bytes};
  self_->request(board_, survey_timeout, std::move(question))
      .then(
          [this](const survey_ptr& now) {
            looking_ = false;
            decide(*now);
          },
          [this](const caf::error& why) {
            looking_ = false;
            if (to_fault(why).code == errc::not_found)
              stop(to_fault(why));
          });
}

lease::migration_view migrator_state::view(const survey& now) const {
  lease::migration_view out;
  out.coverage = now.coverage;
  out.gate = order_.gate;
  out.preposition = order_.preposition;
  out.forecast_known = now.forecast_known;
  out.accesses_expected = now.accesses_expected;
  out.moves_left = !now.moves.empty();
  out.destination_full = now.destination_full;
  out.batches = batches_;
  out.batch_fault = batch_fault_;
  out.faults_in_row = faults_in_row_;
  out.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::nanoseconds{clock_.monotonic_ns() - began_ns_});
  out.timeout = order_.timeout;
  if (ready_)
    out.elapsed = std::chrono::milliseconds{0};
  out.canceled = canceled_;
  return out;
}

void migrator_state::decide(const survey& now) {
  using kind = lease::migration_step::kind;
  auto next = lease::next_step(view(now));
  ready_ |= order_.held && next.what == kind::flip;
  tell(ready_ ? "ready" : now.moves.empty() && batches_ == 0 ? "gate" : "preposition", now);
  // Once its VM is on the way, what can no longer be copied is no reason to stop.
  if (next.what == kind::stop && (!ready_ || canceled_))
    return stop(*next.why);
  if (order_.held ? ready_ && armed_ : next.what == kind::flip)
    return flip();
  if (next.what == kind::copy) {
    copy(now.moves.front());
    look();
  }
}

void migrator_state::copy(const planned_move& first) {
  auto extents = first.extents;
  if (extents.size() > batch_extents_)
    extents.resize(batch_extents_);
  ++batches_;
  in_flight_.insert(extents.begin(), extents.end());
  auto begun_ns = clock_.monotonic_ns();
  self_
      ->request(conductor_, batch_timeout,
                move_order{order_.volume, first.from, order_.to, extents})
      .then(
          [this, extents, begun_ns](const finish_ptr& how) {
            if (!how->why)
              size_batches(extents.size(), begun_ns);
            batch_over(extents, *how);
          },
          [this, extents](const caf::error& why) {
            lease::finish failed;
            failed.why = to_fault(why);
            batch_over(extents, failed);
          });
}

/// As many as were copied lately in that span.
void migrator_state::size_batches(std::size_t copied, std::int64_t begun_ns) {
  std::chrono::duration<double> took = std::chrono::nanoseconds{clock_.monotonic_ns() - begun_ns};
  auto next = static_cast<double>(copied) * (batch_span / std::max<decltype(took)>(took, 1ms));
  batch_extents_ =
      static_cast<std::size_t>(std::clamp(next, batch_extents_min, double{move_extents_max}));
}

void migrator_state::batch_over(const std::vector<std::uint32_t>& extents,
                                const lease::finish& how) {
  --batches_;
  for (auto extent : extents)
    in_flight_.erase(extent);
  bytes_moved_ += how.bytes;
  batch_fault_ = how.why;
  faults_in_row_ = how.why ? faults_in_row_ + 1 : 0;
  // The gate may be met by a batch that is only now told to everybody.
  if (flipping_)
    self_->send(conductor_, task_update{order_.task, "", 0, 0, bytes_moved_, 0});
  look();
}

void migrator_state::flip() {
  flipping_ = true;
  self_->request(conductor_, flip_timeout, flip_order{order_.task, order_.held})
      .then([this](const finish_ptr& how) { end(how, how->why); },
            [this](const caf::error& why) { end(nullptr, to_fault(why)); });
}

/// Batches in flight end first: afterwards the volume has one owner and nothing half-done.
void migrator_state::stop(fault why) {
  if (!stopping_ && batches_ > 0)
    self_->send(conductor_, stop_moves{order_.volume});
  stopping_ = std::move(why);
  if (batches_ == 0)
    end(nullptr, stopping_);
}

void migrator_state::end(finish_ptr flipped, std::optional<fault> why) {
  flipping_ = true;
  self_->send(conductor_, task_ended{order_.task, std::move(flipped), std::move(why)});
  self_->quit();
}

void migrator_state::tell(std::string phase, const survey& now) {
  auto left = now.bytes;
  auto rate = std::max<std::uint64_t>(1, rules_.rates.of_one());
  self_->send(conductor_, task_update{order_.task, std::move(phase), now.coverage,
                                      bytes_moved_ + left, bytes_moved_, left * 1000 / rate});
}

} // namespace foreshift::control
