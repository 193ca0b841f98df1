// SPDX-License-Identifier: Apache-2.0
#include "core/volume/replica_io.hpp"

#include "core/base/log.hpp"
#include "core/base/planted.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

namespace foreshift {

namespace {

/// One write to one host; `in` null means zeroes.
struct host_op {
  const host_route* route;
  std::uint64_t move;
  std::uint64_t offset;
  std::uint64_t length;
  const std::byte* in;
};

bool all_zero(std::span<const std::byte> x) {
  return x.empty()
         || (x[0] == std::byte{0} && std::memcmp(x.data(), x.data() + 1, x.size() - 1) == 0);
}

bool owed(const flush_mark& mark, flush_scope scope) {
  auto written = mark.written.load();
  return mark.flushed.load() < written
         && (scope == flush_scope::all || mark.inherited.load() < written);
}

constexpr std::uint64_t block_of(std::uint64_t offset) {
  return offset & ~std::uint64_t{block_bytes - 1};
}

} // namespace

/// The writes of one request to all its hosts: remote ones first, so that they travel while the
/// local ones are done.
struct replica_io::batch {
  std::uint64_t epoch;
  const replica_health& health;
  std::vector<host_op> ops{};
  std::deque<std::vector<std::byte>> buffers{};
  result<void> outcome{};
  bool stored = false; ///< At one host at least.
  std::vector<std::pair<const host_route*, std::string>> full{};

  void note(const host_op& op, const result<void>& done) {
    health.note(epoch, *op.route, done);
    if (done) {
      op.route->mark->written.fetch_add(1);
      stored = true;
      return;
    }
    const auto& why = done.error();
    if (planted(bug::ack_without_replica) && why.code != errc::refused)
      return;
    if (op.move != 0 && why.code == errc::precondition) {
      // Its staged copy was aborted or replaced by a later move: this move can never commit.
      slog::warn("mirror refused a write move={} offset={}: {}", op.move, op.offset, why.detail);
      return;
    }
    if (why.code == errc::no_space && op.move == 0)
      full.emplace_back(op.route, why.detail);
    if (outcome || why.code == errc::refused)
      outcome = why;
  }

  /// Full, while other replicas are not: that is a failed replica, which the map can do without.
  void judge_full() {
    if (outcome || outcome.error().code != errc::no_space || !stored)
      return;
    for (const auto& [route, why] : full)
      health.note(epoch, *route, fault{errc::storage, why});
    outcome = fault{errc::storage, outcome.error().detail};
  }

  result<void> run(volume_extents* local) {
    std::vector<std::pair<const host_op*, std::unique_ptr<pending_io>>> started;
    for (const auto& op : ops)
      if (auto* link = op.route->link.get())
        started.emplace_back(&op, op.in ? link->start_write(op.offset, {op.in, op.length})
                                        : link->start_zero(op.offset, op.length));
    for (const auto& op : ops)
      if (!op.route->link)
        note(op, do_local(op, {epoch, op.move}, *local));
    for (auto& [op, request] : started)
      note(*op, request->finish());
    judge_full();
    return outcome;
  }

  static result<void> do_local(const host_op& op, io_permit permit, volume_extents& local) {
    auto done = op.in ? local.write(permit, op.offset, {op.in, op.length})
                      : local.zero(permit, op.offset, op.length);
    if (!done)
      return classify(local, permit, done.error());
    return done;
  }
};

result<void> replica_io::write(std::uint64_t offset, std::span<const std::byte> in) const {
  return change(offset, in.size(), in.data());
}

result<void> replica_io::zero(std::uint64_t offset, std::uint64_t length) const {
  return change(offset, length, nullptr);
}

result<void> replica_io::change(std::uint64_t offset, std::uint64_t length,
                                const std::byte* in) const {
  batch work{view_.epoch, health_};
  auto* at = in;
  auto split = [&](std::uint64_t from, std::uint64_t to) {
    piece x{from, to - from, &view_.of(extent_at(from))};
    to_replicas(work, x, at);
    auto done = view_.mirrors.empty() ? result<void>{} : to_mirrors(work, x, at);
    if (at != nullptr)
      at += x.length;
    return done;
  };
  for (auto from = offset; from < offset + length;) {
    const auto* set = &view_.of(extent_at(from));
    auto to = (from / view_.extent_bytes + 1) * view_.extent_bytes;
    while (to < offset + length && &view_.of(extent_at(to)) == set)
      to += view_.extent_bytes;
    to = std::min(to, offset + length);
    if (auto done = split(from, to); !done)
      return done;
    from = to;
  }
  return work.run(local_);
}

void replica_io::to_replicas(batch& work, const piece& x, const std::byte* in) const {
  for (auto host : x.set->hosts)
    work.ops.push_back({&view_.routes[host], 0, x.offset, x.length, in});
}

result<void> replica_io::to_mirrors(batch& work, const piece& x, const std::byte* in) const {
  for (const auto& mirror : view_.mirrors) {
    auto here = [&](std::uint16_t host) { return view_.hosts[host] == mirror.destination; };
    if (std::any_of(x.set->hosts.begin(), x.set->hosts.end(), here))
      continue; // Already a replica of these extents: it gets the write as such.
    for (auto from = x.offset; from < x.offset + x.length;) {
      bool mirrored = mirror.extents.contains(extent_at(from));
      auto to = (from / view_.extent_bytes + 1) * view_.extent_bytes;
      while (to < x.offset + x.length && mirror.extents.contains(extent_at(to)) == mirrored)
        to += view_.extent_bytes;
      to = std::min(to, x.offset + x.length);
      piece part{from, to - from, x.set};
      if (mirrored)
        if (auto done = to_mirror(work, mirror, part, in ? in + (from - x.offset) : nullptr); !done)
          return done;
      from = to;
    }
  }
  return {};
}

result<void> replica_io::to_mirror(batch& work, const mirror_route& to, const piece& x,
                                   const std::byte* in) const {
  auto begin = x.offset;
  auto end = x.offset + x.length;
  auto head = block_of(begin);
  auto tail = block_of(end);
  if (head != begin || (tail == head && end != begin + block_bytes)) {
    if (auto done = widened_edge(work, to, head, x, in); !done)
      return done;
    begin = head + block_bytes;
  }
  if (tail != end && tail >= begin) {
    if (auto done = widened_edge(work, to, tail, x, in); !done)
      return done;
    end = tail;
  }
  if (begin < end)
    work.ops.push_back(
        {&to.route, to.move, begin, end - begin, in ? in + (begin - x.offset) : nullptr});
  return {};
}

result<void> replica_io::widened_edge(batch& work, const mirror_route& to, std::uint64_t block,
                                      const piece& x, const std::byte* in) const {
  // Nothing of this request has been sent yet and the block is locked: what is read is what it
  // holds.
  auto& buffer = work.buffers.emplace_back(block_bytes);
  if (auto done = read_any_piece({block, block_bytes, x.set}, buffer); !done)
    return done;
  auto from = std::max(block, x.offset);
  auto until = std::min(block + block_bytes, x.offset + x.length);
  if (in != nullptr)
    std::memcpy(buffer.data() + (from - block), in + (from - x.offset), until - from);
  else
    std::memset(buffer.data() + (from - block), 0, until - from);
  work.ops.push_back({&to.route, to.move, block, block_bytes, buffer.data()});
  return {};
}

result<void> replica_io::flush(flush_scope scope) const {
  struct work {
    const host_route* route;
    std::uint64_t covers;
    std::unique_ptr<pending_io> request;
  };
  std::vector<work> started;
  result<void> outcome;
  const host_route* local = nullptr;
  auto begin = [&](const host_route& route) {
    auto* mark = route.mark.get();
    auto covers = mark->written.load();
    if (!route.in_sync || !owed(*mark, scope)
        || std::any_of(started.begin(), started.end(),
                       [&](auto& x) { return x.route->mark.get() == mark; }))
      return;
    if (route.link && planted(bug::flush_local_only))
      return;
    if (route.link)
      started.push_back({&route, covers, route.link->start_flush()});
    else
      local = &route;
  };
  auto finish = [&](const host_route& route, std::uint64_t covers, const result<void>& done) {
    auto& mark = *route.mark;
    health_.note(view_.epoch, route, done);
    if (done) {
      auto seen = mark.flushed.load();
      while (seen < covers && !mark.flushed.compare_exchange_weak(seen, covers)) {
      }
    } else if (outcome || done.error().code == errc::refused) {
      outcome = done.error();
    }
  };
  for (const auto& route : view_.routes)
    begin(route);
  for (const auto& mirror : view_.mirrors)
    begin(mirror.route);
  if (local != nullptr && local_ != nullptr) {
    auto covers = local->mark->written.load();
    finish(*local, covers, local_->flush({view_.epoch, 0}));
  }
  for (auto& x : started)
    finish(*x.route, x.covers, x.request->finish());
  return outcome;
}

bool replica_io::flushed(flush_scope scope) const {
  auto clean = [&](const host_route& route) { return !route.in_sync || !owed(*route.mark, scope); };
  return std::all_of(view_.routes.begin(), view_.routes.end(), clean)
         && std::all_of(view_.mirrors.begin(), view_.mirrors.end(),
                        [&](const mirror_route& x) { return clean(x.route); });
}

result<void> replica_io::repair(std::uint64_t offset, std::uint64_t length) const {
  auto begin = block_of(offset);
  auto end = block_of(offset + length + block_bytes - 1);
  std::vector<std::byte> buffer;
  while (begin < end) {
    auto step =
        std::min<std::uint64_t>(end - begin, view_.extent_bytes - begin % view_.extent_bytes);
    buffer.resize(step);
    mending notes;
    if (auto done = read_mending(begin, buffer, notes); !done)
      return done;
    auto done = all_zero(buffer) ? zero(begin, step) : write(begin, buffer);
    if (!done)
      return done;
    begin += step;
  }
  return {};
}

} // namespace foreshift
