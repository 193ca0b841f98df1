// SPDX-License-Identifier: Apache-2.0
#include "core/volume/suspects.hpp"

#include <algorithm>

namespace foreshift {

suspect_board::suspect_board(const clock_source& clock)
    : clock_(clock), serial_(static_cast<std::uint64_t>(clock.wall_ms())) {}

suspect_board::report suspect_board::snapshot() const {
  report out{serial_, {}, {}};
  for (const auto& [key, entry] : suspects_)
    out.suspects.push_back(entry);
  for (const auto& [volume, count] : wishes_)
    out.wishes.push_back(volume);
  return out;
}

void suspect_board::tell(std::vector<waiter> whom, const report& what) const {
  for (auto& x : whom)
    x.reply(what);
}

/// `apply` says whether it changed anything.
template <class Change>
void suspect_board::change(Change apply) {
  std::vector<waiter> whom;
  report what;
  {
    std::lock_guard lock{mutex_};
    if (!apply())
      return;
    ++serial_;
    whom.swap(waiters_);
    what = snapshot();
  }
  tell(std::move(whom), what);
}

void suspect_board::note(std::uint64_t volume, std::uint64_t epoch, const std::string& host,
                         const fault& why) {
  change([&] {
    auto& entry = suspects_[{volume, host}];
    if (entry.epoch == epoch)
      return false;
    entry = {volume, epoch, host, clock_.wall_ms(), why};
    return true;
  });
}

void suspect_board::clear(std::uint64_t volume, const std::string& host) {
  change([&] { return suspects_.erase({volume, host}) != 0; });
}

void suspect_board::wish(std::uint64_t volume) {
  change([&] { return ++wishes_[volume] == 1; });
}

void suspect_board::unwish(std::uint64_t volume) {
  change([&] {
    auto at = wishes_.find(volume);
    if (at == wishes_.end() || --at->second > 0)
      return false;
    wishes_.erase(at);
    return true;
  });
}

suspect_board::report suspect_board::now() const {
  std::lock_guard lock{mutex_};
  return snapshot();
}

std::vector<std::string> suspect_board::of(std::uint64_t volume) const {
  std::lock_guard lock{mutex_};
  std::vector<std::string> out;
  for (const auto& [key, entry] : suspects_)
    if (key.first == volume)
      out.push_back(key.second);
  return out;
}

void suspect_board::wait(std::uint64_t serial, std::chrono::milliseconds timeout, answer reply) {
  report what;
  {
    std::lock_guard lock{mutex_};
    if (serial == serial_ && waiters_.size() < waiters_max) {
      auto span = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
      waiters_.push_back({clock_.monotonic_ns() + span, std::move(reply)});
      return;
    }
    what = snapshot();
  }
  reply(what);
}

void suspect_board::expire() {
  std::vector<waiter> whom;
  report what;
  {
    std::lock_guard lock{mutex_};
    auto now = clock_.monotonic_ns();
    auto over = std::partition(waiters_.begin(), waiters_.end(),
                               [&](const waiter& x) { return x.until_ns > now; });
    std::move(over, waiters_.end(), std::back_inserter(whom));
    waiters_.erase(over, waiters_.end());
    what = snapshot();
  }
  tell(std::move(whom), what);
}

} // namespace foreshift
