// SPDX-License-Identifier: Apache-2.0
// The implicit flip, at both of its ends: clients at an announced destination before the lease is
// there, and the primary that reads for them and lets the lease go once its own have stopped.
#include "core/volume/gateway.hpp"

#include <algorithm>
#include <utility>

namespace foreshift {

namespace {

/// The former primary is handing the lease over just now, or is out of reach for a moment.
bool may_pass(const fault& why) {
  return why.code == errc::refused || why.code == errc::unreachable || why.code == errc::timeout;
}

} // namespace

void gateway::expect_clients(std::int64_t until_ns, const std::string& holder,
                             const peer_addresses& peers) {
  auto known = peers.find(holder);
  if (holder.empty() || holder == options_.host || known == peers.end())
    return expect_no_clients();
  link_target target{holder, known->second, shape_.id, 0, options_.host, 0, true};
  std::shared_ptr<peer_link> link;
  {
    std::lock_guard lock{control_};
    auto& kept = open_links_[target];
    if (!kept)
      kept = links_(target);
    link = kept;
  }
  early_.expect(until_ns, std::move(link));
}

/// Waits until the lease is at least on its way here; false if nobody expects clients here, or it
/// did not come. The wish stands until then, so a lease that comes and goes unseen is asked for
/// again.
bool gateway::wish_granted(std::int64_t deadline_ns) {
  if (!early_.primary())
    return false;
  early_clients::wish standing{early_};
  auto coming = [this] {
    auto view = view_.acquire();
    return view->serving() || view->holding();
  };
  if (!gate_.wait(deadline_ns, coming))
    return false;
  // Until it serves or is let go: the time that the write has waited is told by then.
  return gate_.wait(deadline_ns, [this] { return !view_.acquire()->holding(); });
}

/// What clients ask before the lease is here, carried out by the primary. Nothing: the lease is on
/// its way, or no clients are expected.
std::optional<result<void>>
gateway::at_primary(std::int64_t deadline_ns, const std::function<result<void>(peer_link&)>& ask) {
  for (;;) {
    auto primary = early_.primary();
    if (!primary)
      return std::nullopt;
    auto done = ask(*primary);
    auto now = clock_.monotonic_ns();
    if (done || !may_pass(done.error()) || now >= deadline_ns)
      return done;
    auto pause = std::chrono::nanoseconds{options_.retry_pause}.count();
    gate_.wait(std::min(deadline_ns, now + pause),
               [first = true]() mutable { return !std::exchange(first, false); });
    if (auto view = view_.acquire(); view->serving() || view->holding())
      return std::nullopt;
  }
}

result<void> gateway::look(std::uint64_t offset, std::span<std::byte> out) {
  bool local = false;
  return read_here(deadline(clock_.monotonic_ns()), offset, out, local);
}

result<void> gateway::flush_for_others() {
  return flush_here(deadline(clock_.monotonic_ns()));
}

result<void> gateway::yield(std::uint64_t epoch, std::chrono::milliseconds quiet) {
  auto span = std::chrono::duration_cast<std::chrono::nanoseconds>(quiet).count();
  fault busy{errc::busy, "clients of volume '" + shape_.name + "' at host '" + options_.host
                             + "' still send requests"};
  if (state() == LeaseState::PRIMARY && !activity_.quiet(clock_.monotonic_ns() - span))
    return busy;
  bool began_here = state() == LeaseState::PRIMARY;
  if (!begin_drain(epoch))
    return not_primary(epoch);
  // Whoever came in between is held now, or is still at work: both are signs of life.
  if (!began_here || activity_.idle())
    return drain(epoch);
  std::lock_guard lock{control_};
  auto next = *view_.current();
  if (next.epoch == epoch && next.state == LeaseState::DRAINING) {
    next.state = LeaseState::PRIMARY;
    install(std::move(next));
  }
  return busy;
}

} // namespace foreshift
