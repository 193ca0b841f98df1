// SPDX-License-Identifier: Apache-2.0
// The data path; control is in gateway_control.cpp.
#include "core/volume/gateway.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace foreshift {

namespace {

std::int64_t ns(std::chrono::milliseconds span) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(span).count();
}

bool peer_is_away(const fault& why) {
  return why.code == errc::unreachable || why.code == errc::timeout;
}

} // namespace

gateway::gateway(gateway_options options, volume_shape shape, std::shared_ptr<volume_extents> local,
                 link_factory links, write_intents& intents, access_ring& log,
                 const clock_source& clock)
    : options_(std::move(options)), shape_(std::move(shape)), local_(std::move(local)),
      links_(std::move(links)), intents_(intents), log_(log), clock_(clock),
      homes_(home_table::make(shape_)), health_(options_.suspects, shape_.id),
      view_(std::make_shared<route_view>()), gate_(clock),
      early_(options_.suspects, shape_.id, clock) {}

std::int64_t gateway::deadline(std::int64_t began_ns) const {
  return began_ns + ns(options_.hold);
}

/// A view that serves; waits while the lease changes hands. `may_wish`: where the lease is not even
/// on its way, it is wished for once, if clients are expected here.
result<gateway::pin> gateway::enter(std::int64_t deadline_ns, bool may_wish) {
  for (;;) {
    auto view = view_.acquire();
    if (view->serving())
      return view;
    bool held = view->holding();
    view.release();
    if (!held) {
      if (std::exchange(may_wish, false) && wish_granted(deadline_ns))
        continue;
      return fault{errc::refused,
                   "volume '" + shape_.name + "' is not attached to host '" + options_.host + "'"};
    }
    if (!gate_.wait(deadline_ns, [this] { return !view_.acquire()->holding(); }))
      return fault{errc::timeout, "volume '" + shape_.name + "': the lease did not arrive in time"};
  }
}

/// Repeats `once` while a lost peer may come back or be taken out of the map, until the deadline.
result<void> gateway::run(std::int64_t deadline_ns, const std::function<attempt()>& once) {
  for (;;) {
    auto tried = once();
    auto now = clock_.monotonic_ns();
    if (tried.done || !tried.again || now >= deadline_ns)
      return tried.done;
    // A change of the view ends the pause: it may have taken the lost peer out of the map.
    gate_.wait(std::min(deadline_ns, now + ns(options_.retry_pause)),
               [first = true]() mutable { return !std::exchange(first, false); });
  }
}

/// Call without a pin: being fenced changes the view. A replica whose disk failed is worth waiting
/// for when the map can do without it.
gateway::attempt gateway::judge(std::uint64_t epoch, result<void> done, bool replicated) {
  if (done)
    return {done};
  if (done.error().code == errc::refused)
    fenced(epoch, done.error());
  return {done, replicated ? replica_failed(done.error()) : peer_is_away(done.error())};
}

result<void> gateway::read(std::uint32_t vci, std::uint64_t offset, std::span<std::byte> out) {
  auto began = clock_.monotonic_ns();
  client_activity::request counted{activity_, began};
  bool local = false;
  auto done = read_here(deadline(began), offset, out, local);
  if (!done && done.error().code == errc::refused && early_.primary()) {
    auto there = at_primary(deadline(began), [&](peer_link& x) { return x.read(offset, out); });
    done = there ? *there : read_here(deadline(began), offset, out, local);
  }
  return finish(access_op::read, vci, offset, out.size(), began, local, done);
}

result<void> gateway::read_here(std::int64_t deadline_ns, std::uint64_t offset,
                                std::span<std::byte> out, bool& local) {
  result<void> done;
  {
    auto view = enter(deadline_ns);
    if (!view)
      return view.error();
    auto to = io(**view);
    local = to.reads_locally(offset, out.size());
    done = to.confirm(offset, out.size(), clock_);
    if (done)
      done = to.read(offset, out);
  }
  if (!done) {
    local = false;
    slog::warn("read failed at the nearest replica volume={} host={} offset={} bytes={}: {}",
               shape_.name, options_.host, offset, out.size(), done.error().detail);
  }
  // What was read of a write that not all replicas have yet may be lost with the one that has it.
  if (!done || unsettled(offset, out.size()))
    done = run(deadline_ns, [&] { return read_settled(deadline_ns, offset, out); });
  return done;
}

bool gateway::unsettled(std::uint64_t offset, std::uint64_t length) const {
  return intents_.overlaps(shape_.id, offset, length);
}

/// Replicas may differ while a write is in flight or has failed at one of them: the former are
/// waited for, the latter made equal before anything is returned (I4).
gateway::attempt gateway::read_settled(std::int64_t deadline_ns, std::uint64_t offset,
                                       std::span<std::byte> out) {
  auto lock = writes_.acquire(offset, out.size());
  auto view = enter(deadline_ns);
  if (!view)
    return {view.error()};
  auto epoch = (*view)->epoch;
  if (unsettled(offset, out.size()))
    if (auto equal = io(**view).repair(offset, out.size()); !equal) {
      view->release();
      return judge(epoch, equal, true);
    }
  if (auto may = io(**view).confirm(offset, out.size(), clock_); !may) {
    view->release();
    return judge(epoch, may, true);
  }
  replica_io::mending notes;
  auto done = io(**view).read_mending(offset, out, notes);
  view->release();
  note(notes);
  return judge(epoch, done, false);
}

result<void> gateway::write(std::uint32_t vci, std::uint64_t offset,
                            std::span<const std::byte> in) {
  auto began = clock_.monotonic_ns();
  client_activity::request counted{activity_, began};
  bool local = false;
  auto done = change(deadline(began), offset, in.size(), in.data(), local);
  return finish(access_op::write, vci, offset, in.size(), began, local, done);
}

result<void> gateway::zero(std::uint32_t vci, std::uint64_t offset, std::uint64_t length) {
  auto began = clock_.monotonic_ns();
  client_activity::request counted{activity_, began};
  bool local = false;
  auto done = change(deadline(began), offset, length, nullptr, local);
  return finish(access_op::zero, vci, offset, length, began, local, done);
}

/// `in` null: zeroes. The range stays locked over all attempts, so that every replica sees
/// overlapping writes in one order; while requests are held it is not locked.
result<void> gateway::change(std::int64_t deadline_ns, std::uint64_t offset, std::uint64_t length,
                             const std::byte* in, bool& local) {
  std::optional<std::uint32_t> intent;
  std::optional<range_lock::guard> lock;
  auto once = [&]() -> attempt {
    for (;;) {
      if (!lock) {
        if (auto open = enter(deadline_ns, true); !open)
          return {open.error()};
        lock.emplace(writes_.acquire(offset, length));
      }
      auto view = view_.acquire();
      if (!view->serving()) {
        lock.reset();
        continue;
      }
      auto to = io(*view);
      auto targets = to.write_targets(offset, length);
      local = targets.local_only;
      if (targets.replicas > 1 && !intent)
        intent = intents_.begin(shape_.id, offset, length);
      auto done = write_mending(to, offset, length, in);
      auto epoch = view->epoch;
      view.release();
      return judge(epoch, std::move(done), targets.replicas > 1);
    }
  };
  auto done = run(deadline_ns, once);
  // A fenced holder's unfinished writes are the business of whoever fenced it.
  if (intent && (done || done.error().code == errc::refused))
    intents_.end(*intent);
  else if (intent)
    keep_torn(*intent);
  return done;
}

/// A partial write of a block that is corrupt at some replica: that is mended first. The range is
/// locked.
result<void> gateway::write_mending(const replica_io& to, std::uint64_t offset,
                                    std::uint64_t length, const std::byte* in) {
  auto once = [&] { return in ? to.write(offset, {in, length}) : to.zero(offset, length); };
  auto done = once();
  if (!done && done.error().code == errc::corrupt) {
    replica_io::mending notes;
    auto mended = to.mend(offset, 1, notes);
    if (auto last = offset + length - 1; mended && last / block_bytes != offset / block_bytes)
      mended = to.mend(last, 1, notes);
    note(notes);
    if (mended)
      done = once();
  }
  if (done)
    lost_.found(offset, length);
  return done;
}

void gateway::note(const replica_io::mending& notes) {
  repaired_.fetch_add(notes.blocks, std::memory_order_relaxed);
  for (auto offset : notes.lost) {
    lost_.add(offset);
    slog::error("volume {} has no good copy of a block offset={} extent={}", shape_.name, offset,
                offset / shape_.extent_bytes);
  }
}

result<void> gateway::flush_here(std::int64_t deadline_ns) {
  return run(deadline_ns, [&]() -> attempt {
    auto view = enter(deadline_ns);
    if (!view)
      return {view.error()};
    auto epoch = (*view)->epoch;
    auto flushed = io(**view).flush();
    view->release();
    return judge(epoch, std::move(flushed), shape_.replicas > 1);
  });
}

result<void> gateway::flush() {
  auto began = clock_.monotonic_ns();
  client_activity::request counted{activity_, began};
  auto done = flush_here(deadline(began));
  if (!done && done.error().code == errc::refused && early_.primary()) {
    auto there =
        at_primary(deadline(began), [](peer_link& x) { return x.start_flush()->finish(); });
    done = there ? *there : flush_here(deadline(began));
  }
  counters_.flushes.fetch_add(1, std::memory_order_relaxed);
  if (!done) {
    counters_.errors.fetch_add(1, std::memory_order_relaxed);
    slog::error("flush failed volume={} host={}: {}", shape_.name, options_.host,
                done.error().detail);
  }
  return done;
}

result<void> gateway::finish(access_op op, std::uint32_t vci, std::uint64_t offset,
                             std::uint64_t length, std::int64_t began_ns, bool local,
                             result<void> done) {
  auto took = clock_.monotonic_ns() - began_ns;
  log_.put({began_ns, offset / 512, static_cast<std::uint32_t>(length), vci, options_.volume_slot,
            op, local});
  if (op == access_op::read) {
    counters_.note_read(length, took);
    (local ? reads_local_ : reads_remote_).fetch_add(1, std::memory_order_relaxed);
    if (!local)
      misses_.note(static_cast<std::uint32_t>(offset / shape_.extent_bytes), began_ns + took);
  } else {
    counters_.note_write(op == access_op::write ? length : 0, took);
  }
  if (!done) {
    counters_.errors.fetch_add(1, std::memory_order_relaxed);
    slog::error("{} failed volume={} host={} offset={} bytes={}: {}",
                op == access_op::read ? "read" : "write", shape_.name, options_.host, offset,
                length, to_string(done.error()));
  }
  return done;
}

/// Until this holder makes the range equal; when it no longer is the holder, another one has.
void gateway::keep_torn(std::uint32_t slot) {
  std::lock_guard lock{torn_mutex_};
  if (state() == LeaseState::DEACTIVATED)
    return intents_.end(slot);
  torn_.push_back(slot);
  torn_count_.store(torn_.size());
}

/// The state has changed before: no torn write is kept after this.
void gateway::drop_torn() {
  std::lock_guard lock{torn_mutex_};
  for (auto slot : torn_)
    intents_.end(slot);
  torn_.clear();
  torn_count_.store(0);
}

} // namespace foreshift
