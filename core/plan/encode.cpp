// SPDX-License-Identifier: Apache-2.0
#include "core/plan/planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace foreshift {

namespace {

/// Neighbouring extents that share a fate.
struct extent_range {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  double accesses = 0;
  double saved_us = 0;
  std::string from;
  std::string reason;

  double heat() const { return accesses / count; }
};

struct one_extent {
  double accesses = 0;
  double saving_us = 0;
  const std::string* from = nullptr;
  const std::string* reason = nullptr;
};

using by_extent = std::map<std::uint32_t, one_extent>;

std::uint64_t bytes_of(const volume_shape& shape, std::uint32_t extent) {
  auto begin = std::uint64_t{extent} * shape.extent_bytes;
  return begin >= shape.size_bytes
             ? 0
             : std::min<std::uint64_t>(shape.extent_bytes, shape.size_bytes - begin);
}

std::vector<extent_range> fold(const by_extent& extents, const volume_shape& shape) {
  std::vector<extent_range> out;
  for (const auto& [extent, one] : extents) {
    bool joins = !out.empty() && out.back().first + out.back().count == extent
                 && out.back().reason == *one.reason && out.back().from == *one.from;
    if (!joins)
      out.push_back({extent, 0, 0, 0, 0, *one.from, *one.reason});
    auto& range = out.back();
    ++range.count;
    range.bytes += bytes_of(shape, extent);
    range.accesses += one.accesses;
    range.saved_us += one.accesses * one.saving_us;
  }
  return out;
}

/// Hottest ranges first; what is too many becomes one entry with the sums and no source of its own.
void order_and_cut(std::vector<extent_range>& ranges) {
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const auto& x, const auto& y) { return x.heat() > y.heat(); });
  if (ranges.size() <= plan_ranges_max)
    return;
  extent_range rest;
  rest.first = ranges[plan_ranges_max - 1].first;
  for (auto i = plan_ranges_max - 1; i < ranges.size(); ++i) {
    rest.first = std::min(rest.first, ranges[i].first);
    rest.count += ranges[i].count;
    rest.bytes += ranges[i].bytes;
    rest.accesses += ranges[i].accesses;
    rest.saved_us += ranges[i].saved_us;
  }
  rest.reason =
      fmt::format("{} colder ranges, not listed one by one", ranges.size() - (plan_ranges_max - 1));
  ranges.resize(plan_ranges_max - 1);
  ranges.push_back(std::move(rest));
}

std::vector<extent_range> move_ranges(const plan& x, const volume_shape& shape) {
  by_extent extents;
  for (const auto& move : x.moves)
    for (std::size_t i = 0; i < move.extents.size(); ++i)
      extents[move.extents[i]] = {move.accesses_each[i], move.saving_us, &move.from, &move.reason};
  auto out = fold(extents, shape);
  order_and_cut(out);
  return out;
}

std::vector<extent_range> left_ranges(const plan& x, const volume_shape& shape) {
  static const std::string nowhere;
  by_extent extents;
  for (const auto& left : x.left)
    for (std::size_t i = 0; i < left.extents.size(); ++i)
      extents[left.extents[i]] = {left.accesses_each[i], 0, &nowhere, &left.reason};
  auto out = fold(extents, shape);
  order_and_cut(out);
  return out;
}

void encode_ranges(const plan& x, const volume_shape& shape, const std::string& to,
                   schema::Plan::Builder root) {
  auto moves = move_ranges(x, shape);
  auto out_moves = root.initMoves(static_cast<unsigned>(moves.size()));
  for (unsigned i = 0; i < moves.size(); ++i) {
    auto out = out_moves[i];
    out.setFirstExtent(moves[i].first);
    out.setExtents(moves[i].count);
    out.setFrom(moves[i].from.c_str());
    out.setTo(to.c_str());
    out.setBytes(moves[i].bytes);
    out.setAccesses(moves[i].accesses);
    out.setGain(moves[i].saved_us / 1000);
    out.setReason(moves[i].reason.c_str());
  }
  auto left = left_ranges(x, shape);
  auto out_left = root.initLeft(static_cast<unsigned>(left.size()));
  for (unsigned i = 0; i < left.size(); ++i) {
    auto out = out_left[i];
    out.setFirstExtent(left[i].first);
    out.setExtents(left[i].count);
    out.setAccesses(left[i].accesses);
    out.setReason(left[i].reason.c_str());
  }
}

} // namespace

packet<schema::Plan> encode(const plan& x, const volume_shape& shape, const plan_request& request,
                            std::uint64_t id, std::int64_t at_ms) {
  return packet<schema::Plan>::make([&](auto root) {
    root.setId(id);
    root.setVolume(shape.id);
    root.setName(shape.name.c_str());
    root.setTo(request.to.c_str());
    root.setAtMs(at_ms);
    encode_ranges(x, shape, request.to, root);
    root.setBytes(x.bytes);
    root.setCoverageBefore(x.before.accesses);
    root.setCoverageAfter(x.after.accesses);
    root.setBytesCoverageBefore(x.before.bytes);
    root.setBytesCoverageAfter(x.after.bytes);
    root.setExpectedFlipUs(request.expected_flip_us);
    if (request.rate_bytes > 0)
      root.setExpectedMs(static_cast<std::uint64_t>(static_cast<double>(x.bytes) * 1000
                                                    / static_cast<double>(request.rate_bytes)));
    root.setBudgetBytes(request.budget_bytes);
    root.setNextBudgetBytes(next_budget_bytes);
    root.setNextBudgetGain(x.next_budget_gain);
    root.setNote(x.note.c_str());
  });
}

} // namespace foreshift
