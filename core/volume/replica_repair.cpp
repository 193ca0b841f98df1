// SPDX-License-Identifier: Apache-2.0
// Blocks that one replica has lost are taken from another one.
#include "core/volume/replica_io.hpp"

#include "core/base/log.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace foreshift {

namespace {

bool is_damage(const fault& why) {
  return why.code == errc::corrupt || why.code == errc::storage;
}

std::uint64_t floor_block(std::uint64_t offset) {
  return offset & ~std::uint64_t{block_bytes - 1};
}

std::uint64_t ceil_block(std::uint64_t offset) {
  return floor_block(offset + block_bytes - 1);
}

bool contains(const std::vector<std::uint16_t>& hosts, std::uint16_t host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

} // namespace

result<void> replica_io::write_to(std::uint16_t host, std::uint64_t offset,
                                  std::span<const std::byte> in) const {
  const auto& route = view_.routes[host];
  io_permit permit{view_.epoch, 0};
  auto done = route.link ? route.link->start_write(offset, in)->finish()
                         : local_->write(permit, offset, in);
  if (!done && !route.link)
    done = classify(*local_, permit, done.error());
  health_.note(view_.epoch, route, done);
  if (done)
    route.mark->written.fetch_add(1);
  return done;
}

/// `good` is what the block holds; empty when no replica could say.
result<void> replica_io::mend_block(const std::vector<std::uint16_t>& damaged, std::uint64_t offset,
                                    std::span<const std::byte> good, mending& notes) const {
  for (auto host : damaged) {
    auto done = write_to(host, offset, good);
    if (!done && done.error().code == errc::refused)
      return done;
    if (!done) {
      notes.failed.push_back(host);
      slog::error("block at offset {} cannot be rewritten host={}: {}", offset, view_.hosts[host],
                  done.error().detail);
      continue;
    }
    ++notes.blocks;
    slog::warn("block at offset {} was damaged and is rewritten from another replica host={}",
               offset, view_.hosts[host]);
  }
  return {};
}

/// Whole blocks of one set of replicas. Where one is damaged, the range is halved down to the
/// blocks, so that each may come from another replica.
result<void> replica_io::mend_range(const route_set& set, std::uint64_t offset,
                                    std::span<std::byte> out, mending& notes) const {
  std::vector<std::uint16_t> damaged;
  std::vector<std::byte> other;
  bool have = false;
  std::optional<fault> away;
  std::optional<fault> broken;
  for (auto host : set.nearest) {
    if (contains(notes.failed, host))
      continue;
    if (have)
      other.resize(out.size());
    auto done = read_from(host, offset, have ? std::span(other) : out);
    if (done) {
      have = true;
    } else if (done.error().code == errc::refused) {
      return done;
    } else if (is_damage(done.error())) {
      damaged.push_back(host);
      if (!broken || done.error().code == errc::corrupt)
        broken = done.error();
    } else {
      slog::debug("a replica cannot be looked at host={} offset={}: {}", view_.hosts[host], offset,
                  to_string(done.error()));
      away = done.error();
    }
  }
  if (damaged.empty()) {
    if (have)
      return {};
    return away.value_or(fault{errc::storage, "no replica can be read"});
  }
  if (out.size() > block_bytes) {
    auto half = floor_block(out.size() / 2 + block_bytes - 1);
    auto first = mend_range(set, offset, out.first(half), notes);
    auto second = mend_range(set, offset + half, out.subspan(half), notes);
    return first ? second : first;
  }
  if (have)
    return mend_block(damaged, offset, out, notes);
  if (away) // whoever is away may have it
    return *away;
  if (broken->code == errc::corrupt)
    notes.lost.push_back(offset);
  return *broken;
}

result<void> replica_io::read_mending(std::uint64_t offset, std::span<std::byte> out,
                                      mending& notes) const {
  auto* at = out.data();
  return each_piece(offset, out.size(), same_routes, [&](const piece& x) -> result<void> {
    std::span<std::byte> to{at, x.length};
    at += x.length;
    auto done = read_from(x.set->nearest.front(), x.offset, to);
    if (done)
      return done;
    if (!is_damage(done.error()))
      return read_any_piece(x, to);
    auto begin = floor_block(x.offset);
    std::vector<std::byte> whole(ceil_block(x.offset + x.length) - begin);
    if (auto mended = mend_range(*x.set, begin, whole, notes); !mended)
      return mended;
    std::memcpy(to.data(), whole.data() + (x.offset - begin), to.size());
    return {};
  });
}

result<void> replica_io::mend(std::uint64_t offset, std::uint64_t length, mending& notes) const {
  auto begin = floor_block(offset);
  result<void> outcome;
  auto end = ceil_block(offset + length);
  auto walked = each_piece(begin, end - begin, same_routes, [&](const piece& x) -> result<void> {
    std::vector<std::byte> whole(x.length);
    auto done = mend_range(*x.set, x.offset, whole, notes);
    if (!done && done.error().code == errc::corrupt) {
      outcome = done; // the rest may be mended yet
      return {};
    }
    return done;
  });
  return walked ? outcome : walked;
}

} // namespace foreshift
