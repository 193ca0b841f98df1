// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/forecasts.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace foreshift {

namespace {

constexpr double cpu_burst_s = 2;                 // of the share: a decision now and then is long
constexpr std::chrono::seconds learn_wait_max{5}; // below what the collector grants

packet<schema::Done> done() {
  return packet<schema::Done>::make([](auto) {});
}

packet<schema::ForecastTake> take_order(std::uint64_t volume) {
  return packet<schema::ForecastTake>::make([&](auto root) { root.setVolume(volume); });
}

} // namespace

forecasts_state::forecasts_state(interface::pointer self, vault_actor vault, uplink_actor uplink,
                                 const clock_source& clock, forecasts_options options)
    : self_(self), vault_(std::move(vault)), uplink_(std::move(uplink)), clock_(clock),
      options_(std::move(options)), predict_interval_(options_.predict_interval),
      book_(options_.book),
      cpu_(options_.cpu_share * 1e9, options_.cpu_share * 1e9 * cpu_burst_s, clock.monotonic_ns()) {
}

forecasts_actor::behavior_type forecasts_state::make_behavior() {
  options_.at_start();
  compat::send_later(self_, self_, predict_interval_, tick_alarm{});
  compat::send_later(self_, self_, options_.save_interval, save_alarm{});
  return {
      [this](const packet<schema::PlaneLog>& log) { return learn(log); },
      [this](const packet<schema::ForecastTake>& x) { return take(x); },
      [this](const packet<schema::ForecastCarry>& x) { return carry(x); },
      [this](const packet<schema::PlaneStatus>& status) { note(status); },
      [this](const packet<schema::HostReport>& report) { book_.notice(report.read()); },
      [this](const packet<schema::HostWelcome>& wanted) { obey(wanted); },
      [this](tick_alarm) { predict(); },
      [this](save_alarm) { save(); },
      [this](drain_alarm) { answer_learned(); },
      [this](flush_order) { return flush(); },
  };
}

/// Opens forecasters with what the vault knows of them, one after the other, then calls `then`.
/// `await` holds back every other message meanwhile, so that nothing is learned before it is
/// recovered.
void forecasts_state::open(std::vector<std::uint64_t> volumes, std::function<void()> then) {
  if (volumes.empty()) {
    then();
    return;
  }
  auto volume = volumes.back();
  volumes.pop_back();
  auto next = [this, rest = std::move(volumes), then = std::move(then)] { open(rest, then); };
  self_->request(vault_, options_.store_timeout, take_order(volume))
      .await(
          [this, volume, next](const packet<schema::ForecastState>& state) {
            if (auto ok = book_.open(volume, &state); ok)
              slog::info("the forecast of volume {} is restored", volume);
            else
              slog::warn("the forecast of volume {} starts anew: {}", volume, ok.error().detail);
            next();
          },
          [this, volume, next](const caf::error& why) {
            auto reason = to_fault(why);
            if (reason.code != errc::not_found)
              slog::warn("the forecast of volume {} starts anew: {}", volume, reason.detail);
            if (auto ok = book_.open(volume, nullptr); !ok)
              slog::error("no forecast of volume {}: {}", volume, ok.error().detail);
            next();
          });
}

caf::result<packet<schema::Done>> forecasts_state::learn(const packet<schema::PlaneLog>& log) {
  auto answer = self_->make_response_promise<packet<schema::Done>>();
  open(book_.unopened(log), [this, log, answer]() mutable {
    book_.observe(log);
    learned_.push_back(answer);
    if (auto wait = std::min<std::chrono::nanoseconds>(rest(), learn_wait_max); wait.count() > 0)
      compat::send_later(self_, self_, wait, drain_alarm{});
    else
      answer_learned();
  });
  return answer;
}

/// A prediction that is due goes first, or accesses that never end would put it off for ever.
void forecasts_state::answer_learned() {
  if (due_)
    foretell();
  for (auto& answer : std::exchange(learned_, {}))
    answer.deliver(done());
}

/// How long this actor must not work until its average is within its share again.
std::chrono::nanoseconds forecasts_state::rest() {
  auto used = options_.cpu_time();
  auto fresh = used - cpu_charged_.value_or(used);
  cpu_charged_ = used;
  return cpu_.take(static_cast<double>(fresh.count()), clock_.monotonic_ns());
}

void forecasts_state::note(const packet<schema::PlaneStatus>& status) {
  book_.learn(status.read(), clock_.wall_ms());
  open(book_.unopened(), [] {});
}

void forecasts_state::obey(const packet<schema::HostWelcome>& wanted) {
  if (auto ms = wanted.read().getForecastMs(); ms > 0)
    predict_interval_ = std::chrono::milliseconds{ms};
  if (auto ms = wanted.read().getHorizonMs(); ms > 0)
    book_.set_horizon(std::chrono::milliseconds{ms});
}

void forecasts_state::predict() {
  auto wait = rest();
  due_ = true;
  if (wait.count() == 0)
    foretell();
  compat::send_later(self_, self_, due_ ? wait : predict_interval_, tick_alarm{});
}

void forecasts_state::foretell() {
  due_ = false;
  for (const auto& report : book_.predict(clock_.wall_ms()))
    self_->send(uplink_, report);
}

caf::result<packet<schema::ForecastState>>
forecasts_state::take(const packet<schema::ForecastTake>& x) {
  if (auto state = book_.save(x.read().getVolume()))
    return *std::move(state);
  return self_->delegate(vault_, x);
}

caf::result<packet<schema::Done>> forecasts_state::carry(const packet<schema::ForecastCarry>& x) {
  auto state = packet<schema::ForecastState>::seal(x.read().getState());
  auto volume = state.read().getVolume();
  if (book_.is_open(volume))
    if (auto ok = book_.load(state); !ok)
      return to_caf(ok.error());
  // Also for a volume that is not here yet: it will be opened with this state.
  return self_->delegate(vault_, state);
}

void forecasts_state::save() {
  compat::send_later(self_, self_, options_.save_interval, save_alarm{});
  save_all([](const caf::error& why) {
    if (why)
      slog::error("forecasts are not stored: {}", to_fault(why).detail);
  });
}

caf::result<packet<schema::Done>> forecasts_state::flush() {
  auto answer = self_->make_response_promise<packet<schema::Done>>();
  save_all([answer](const caf::error& why) mutable {
    if (why)
      answer.deliver(why);
    else
      answer.deliver(done());
  });
  return answer;
}

/// Stores every forecaster that changed; `then` gets the last error, once all have been answered.
void forecasts_state::save_all(std::function<void(const caf::error&)> then) {
  struct progress {
    std::size_t open = 1;
    caf::error why;
  };
  auto all = std::make_shared<progress>();
  auto one_less = [all, then = std::move(then)] {
    if (--all->open == 0)
      then(all->why);
  };
  for (auto volume : book_.changed()) {
    auto state = book_.save(volume);
    if (!state)
      continue;
    ++all->open;
    self_->request(vault_, options_.store_timeout, *state)
        .then(
            [this, volume, change = book_.change(volume), one_less](const packet<schema::Done>&) {
              book_.kept(volume, change);
              one_less();
            },
            [all, one_less](const caf::error& why) {
              all->why = why;
              one_less();
            });
  }
  one_less();
}

} // namespace foreshift
