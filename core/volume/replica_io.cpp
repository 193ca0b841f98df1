// SPDX-License-Identifier: Apache-2.0
#include "core/volume/replica_io.hpp"

#include <algorithm>

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

template <class Same, class Visit>
result<void> replica_io::each_piece(std::uint64_t offset, std::uint64_t length, Same same,
                                    Visit visit) const {
  auto end = offset + length;
  while (offset < end) {
    const auto& set = view_.of(extent_at(offset));
    auto stop = (offset / view_.extent_bytes + 1) * view_.extent_bytes;
    while (stop < end && same(set, view_.of(extent_at(stop))))
      stop += view_.extent_bytes;
    piece x{offset, std::min(stop, end) - offset, &set};
    if (auto done = visit(x); !done)
      return done;
    offset += x.length;
  }
  return {};
}

namespace {

bool same_set(const route_set& x, const route_set& y) {
  return &x == &y;
}

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
  return each_piece(offset, out.size(), same_set, [&](const piece& x) {
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
  (void)each_piece(offset, length, same_set, [&](const piece& x) -> result<void> {
    out.replicas = std::max(out.replicas, x.set->hosts.size());
    for (auto host : x.set->hosts)
      out.local_only = out.local_only && view_.is_local(host);
    return {};
  });
  return out;
}

} // namespace foreshift
