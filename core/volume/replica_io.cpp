// SPDX-License-Identifier: Apache-2.0
#include "core/volume/replica_io.hpp"

#include <algorithm>
#include <array>

namespace foreshift {

fault classify(const volume_extents& extents, io_permit permit, fault why) {
  if (why.code != errc::refused)
    return why;
  auto seen = extents.fence().epoch;
  if (seen == permit.epoch)
    why.code = errc::precondition;
  else if (seen < permit.epoch)
    why.code =
        errc::storage; // Its disk lost what it had seen: the host has failed, not the holder.
  return why;
}

namespace {

constexpr std::size_t sample_bytes = 512; ///< Of a read that only asks for the epoch.

bool same_reader(const route_set& x, const route_set& y) {
  return x.nearest.front() == y.nearest.front();
}

} // namespace

result<void> replica_io::read_from(std::uint16_t host, std::uint64_t offset,
                                   std::span<std::byte> out) const {
  const auto& route = view_.routes[host];
  io_permit permit{view_.epoch, 0};
  auto done = route.link ? route.link->read(offset, out) : local_->read(permit, offset, out);
  if (!done && !route.link)
    done = classify(*local_, permit, done.error());
  health_.note(view_.epoch, route, done);
  return done;
}

result<void> replica_io::confirm(std::uint64_t offset, std::uint64_t length,
                                 const clock_source& clock) const {
  constexpr auto lease_ns = std::chrono::nanoseconds{read_lease}.count();
  return each_piece(offset, length, same_routes, [&](const piece& x) -> result<void> {
    if (x.set->hosts.size() < 2)
      return {}; // the only replica cannot be left out: a later holder has fenced it
    for (auto host : x.set->hosts) {
      const auto& route = view_.routes[host];
      auto now = clock.monotonic_ns();
      if (!route.link || now - route.heard_ns->load(std::memory_order_relaxed) < lease_ns)
        continue;
      std::array<std::byte, sample_bytes> sample;
      auto done = read_from(host, x.offset / sample_bytes * sample_bytes, sample);
      // Both are said by a host that is at this epoch.
      if (!done && done.error().code != errc::corrupt && done.error().code != errc::precondition)
        return done;
      route.heard_ns->store(now, std::memory_order_relaxed);
    }
    return {};
  });
}

result<void> replica_io::read(std::uint64_t offset, std::span<std::byte> out) const {
  auto* at = out.data();
  return each_piece(offset, out.size(), same_reader, [&](const piece& x) {
    auto done = read_from(x.set->nearest.front(), x.offset, {at, x.length});
    at += x.length;
    return done;
  });
}

result<void> replica_io::read_any_piece(const piece& x, std::span<std::byte> out) const {
  fault first{errc::ok, {}};
  for (auto host : x.set->nearest) {
    auto done = read_from(host, x.offset, out);
    if (done)
      return done;
    // A replica that is merely broken must not hide that another one has fenced us, nor the
    // reverse.
    if (first.code == errc::ok || done.error().code == errc::refused)
      first = done.error();
  }
  return first;
}

result<void> replica_io::read_any(std::uint64_t offset, std::span<std::byte> out) const {
  auto* at = out.data();
  return each_piece(offset, out.size(), same_routes, [&](const piece& x) {
    auto done = read_any_piece(x, {at, x.length});
    at += x.length;
    return done;
  });
}

bool replica_io::reads_locally(std::uint64_t offset, std::uint64_t length) const {
  bool local = true;
  (void)each_piece(offset, length, same_reader, [&](const piece& x) -> result<void> {
    local = local && view_.is_local(x.set->nearest.front());
    return {};
  });
  return local;
}

replica_io::fan_out replica_io::write_targets(std::uint64_t offset, std::uint64_t length) const {
  fan_out out;
  out.local_only = view_.mirrors.empty();
  (void)each_piece(offset, length, same_routes, [&](const piece& x) -> result<void> {
    out.replicas = std::max(out.replicas, x.set->hosts.size());
    for (auto host : x.set->hosts)
      out.local_only = out.local_only && view_.is_local(host);
    return {};
  });
  return out;
}

} // namespace foreshift
