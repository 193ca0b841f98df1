// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/events.hpp"

#include "core/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto wake_interval = 200ms;
constexpr std::uint32_t answer_max = 1000;
constexpr std::uint32_t wait_max_ms = 60'000;

std::string key_of(std::uint64_t seq) {
  return fmt::format("events/{:016}", seq);
}

} // namespace

events_state::events_state(interface::pointer self, authority_actor authority,
                           const clock_source& clock)
    : self_(self), authority_(std::move(authority)), clock_(clock) {}

events_actor::behavior_type events_state::make_behavior() {
  recover();
  compat::send_later(self_, events_actor{self_}, wake_interval, tick{});
  return {
      [this](const packet<schema::EventsGet>& x) { return get(x); },
      [this](const event_note& x) { add(x); },
      [this](tick) {
        wake();
        compat::send_later(self_, events_actor{self_}, wake_interval, tick{});
      },
  };
}

void events_state::recover() {
  self_->request(authority_, 30s, range_request{"events/"})
      .await(
          [this](const stored_ptr& all) {
            for (auto& record : *all) {
              auto event = packet<schema::Event>::admit(as_bytes(record.value));
              if (!event)
                continue;
              last_seq_ = std::max(last_seq_, event->read().getSeq());
              ring_.push_back(*std::move(event));
            }
          },
          [](const caf::error& why) {
            slog::error("former events cannot be read: {}", to_fault(why).detail);
          });
}

void events_state::add(const event_note& x) {
  auto seq = ++last_seq_;
  auto event = packet<schema::Event>::make([&](auto out) {
    out.setSeq(seq);
    out.setAtMs(clock_.wall_ms());
    out.setLevel(x.level.c_str());
    out.setSubject(x.subject.c_str());
    out.setText(x.text.c_str());
  });
  unsaved_.push_back({key_of(seq), lease::to_value(event)});
  ring_.push_back(std::move(event));
  if (ring_.size() > events_max) {
    unsaved_.push_back({key_of(ring_.front().read().getSeq()), std::nullopt});
    ring_.pop_front();
  }
  if (x.level == "error")
    slog::error("{}: {}", x.subject, x.text);
  else if (x.level == "warning")
    slog::warn("{}: {}", x.subject, x.text);
  else
    slog::info("{}: {}", x.subject, x.text);
  wake();
  save();
}

events_state::answer events_state::get(const packet<schema::EventsGet>& x) {
  auto want = x.read();
  auto reply = self_->make_response_promise<packet<schema::Events>>();
  auto limit = std::clamp(want.getLimit(), 1u, answer_max);
  auto wait_ns = std::int64_t{std::min(want.getWaitMs(), wait_max_ms)} * 1'000'000;
  if (last_seq_ > want.getAfter() || wait_ns == 0)
    reply.deliver(since(want.getAfter(), limit));
  else
    waiters_.push_back({want.getAfter(), limit, clock_.monotonic_ns() + wait_ns, reply});
  return reply;
}

void events_state::wake() {
  auto now = clock_.monotonic_ns();
  std::erase_if(waiters_, [&](waiter& x) {
    if (last_seq_ <= x.after && now < x.until_ns)
      return false;
    x.reply.deliver(since(x.after, x.limit));
    return true;
  });
}

/// One transaction at a time; what happens meanwhile goes into the next.
void events_state::save() {
  if (unsaved_.empty() || saving_)
    return;
  saving_ = true;
  auto batch = std::make_shared<const txn_request>(txn_request{{}, std::exchange(unsaved_, {})});
  self_->request(authority_, 30s, txn_ptr{batch})
      .then(
          [this](std::uint64_t) {
            saving_ = false;
            save();
          },
          [this](const caf::error& why) {
            slog::error("events are not stored: {}", to_fault(why).detail);
            saving_ = false;
          });
}

packet<schema::Events> events_state::since(std::uint64_t after, std::uint32_t limit) const {
  auto from =
      std::find_if(ring_.begin(), ring_.end(), [&](auto& x) { return x.read().getSeq() > after; });
  // Somebody who starts from nothing wants the newest.
  auto count = std::min<std::size_t>(limit, static_cast<std::size_t>(ring_.end() - from));
  if (after == 0)
    from = ring_.end() - static_cast<std::ptrdiff_t>(count);
  return packet<schema::Events>::make([&](auto out) {
    auto rows = out.initEvents(static_cast<unsigned>(count));
    for (unsigned i = 0; i < count; ++i, ++from)
      rows.setWithCaveats(i, from->read());
  });
}

} // namespace foreshift::control
