// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/tally.hpp"

#include <algorithm>
#include <functional>

namespace foreshift {

namespace {

void add_to(page_counts& to, const page_counts& x) {
  to.access += x.access;
  to.distinct += x.distinct;
  to.read_access += x.read_access;
  to.read_distinct += x.read_distinct;
  for (std::size_t i = 0; i < to.early.size(); ++i)
    to.early[i] += x.early[i];
}

/// Sum of the `count` largest.
std::uint64_t largest(std::vector<std::uint64_t>& values, std::size_t count) {
  count = std::min(count, values.size());
  auto end = values.begin() + static_cast<std::ptrdiff_t>(count);
  if (end != values.end())
    std::nth_element(values.begin(), end, values.end(), std::greater<>{});
  std::uint64_t out = 0;
  for (auto at = values.begin(); at != end; ++at)
    out += *at;
  return out;
}

} // namespace

tally::tally(std::uint32_t extent_bytes)
    : extent_bytes_(extent_bytes), words_((extent_bytes / tally_page_bytes + 63) / 64) {}

void tally::clear() {
  index_.clear();
  rows_.clear();
  seen_.clear();
  total_ = {};
}

void tally::add(const trace_request& x, std::int64_t since_us) {
  std::size_t early_from = 0;
  while (early_from < flip_seconds.size() && since_us >= flip_seconds[early_from] * 1'000'000)
    ++early_from;
  const bool read = x.op == access_op::read;
  const std::uint32_t pages_per_extent = extent_bytes_ / tally_page_bytes;
  auto last = (x.offset + x.bytes - 1) / tally_page_bytes;
  for (auto page = x.offset / tally_page_bytes; page <= last;) {
    auto extent = page / pages_per_extent;
    auto [at, fresh] = index_.try_emplace(static_cast<std::uint32_t>(extent), rows_.size());
    if (fresh) {
      rows_.emplace_back();
      seen_.resize(seen_.size() + 2 * words_);
    }
    auto end = std::min(last + 1, (extent + 1) * pages_per_extent);
    for (; page < end; ++page)
      touch(at->second, static_cast<std::uint32_t>(page % pages_per_extent), read, early_from);
  }
}

void tally::touch(std::size_t at, std::uint32_t page, bool read, std::size_t early_from) {
  auto& row = rows_[at];
  ++row.access;
  ++total_.access;
  auto* seen = seen_.data() + at * 2 * words_;
  auto bit = std::uint64_t{1} << page % 64;
  if ((seen[page / 64] & bit) == 0) {
    seen[page / 64] |= bit;
    ++row.distinct;
    ++total_.distinct;
    for (auto i = early_from; i < flip_seconds.size(); ++i) {
      ++row.early[i];
      ++total_.early[i];
    }
  }
  if (!read)
    return;
  ++row.read_access;
  ++total_.read_access;
  if ((seen[words_ + page / 64] & bit) == 0) {
    seen[words_ + page / 64] |= bit;
    ++row.read_distinct;
    ++total_.read_distinct;
  }
}

page_counts tally::within(std::span<const std::uint32_t> extents) const {
  page_counts out;
  for (auto extent : extents)
    if (auto at = index_.find(extent); at != index_.end())
      add_to(out, rows_[at->second]);
  return out;
}

page_counts tally::best(std::size_t extents) const {
  std::vector<std::uint64_t> values(rows_.size());
  auto best_by = [&](auto value) {
    std::transform(rows_.begin(), rows_.end(), values.begin(), value);
    return largest(values, extents);
  };
  page_counts out;
  out.access = best_by([](auto& x) { return x.access; });
  out.distinct = best_by([](auto& x) { return x.distinct; });
  out.read_access = best_by([](auto& x) { return x.read_access; });
  out.read_distinct = best_by([](auto& x) { return x.read_distinct; });
  for (std::size_t i = 0; i < flip_seconds.size(); ++i)
    out.early[i] = best_by([i](auto& x) { return x.early[i]; });
  return out;
}

} // namespace foreshift
