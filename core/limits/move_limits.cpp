// SPDX-License-Identifier: Apache-2.0
#include "core/limits/move_limits.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>

namespace foreshift {

namespace {

/// A second's worth may be saved up: a batch is not cut into pieces by a limit it keeps on average.
constexpr double burst_s = 1.0;
constexpr std::size_t buckets_kept_max = 1024;

token_bucket make_bucket(std::uint64_t rate, std::int64_t now_ns) {
  auto r = static_cast<double>(rate);
  return {r, r * burst_s, now_ns};
}

std::uint64_t least(std::initializer_list<std::uint64_t> rates) {
  std::uint64_t out = 0;
  for (auto rate : rates)
    if (rate > 0 && (out == 0 || rate < out))
      out = rate;
  return out;
}

} // namespace

std::uint64_t move_rates::of_one() const {
  return least({cell, host, link, volume});
}

std::uint64_t move_rates::of_host() const {
  return least({cell, host});
}

move_limits::move_limits(move_rates rates, std::int64_t now_ns)
    : rates_(rates), cell_(make_bucket(rates.cell, now_ns)) {}

std::chrono::nanoseconds move_limits::take(double bytes, std::uint64_t volume,
                                           std::string_view from, std::string_view to,
                                           std::int64_t now_ns) {
  std::string source{from};
  std::string destination{to};
  return std::max({cell_.take(bytes, now_ns), take_from(hosts_, source, rates_.host, bytes, now_ns),
                   take_from(hosts_, destination, rates_.host, bytes, now_ns),
                   take_from(links_, {source, destination}, rates_.link, bytes, now_ns),
                   take_from(volumes_, volume, rates_.volume, bytes, now_ns)});
}

template <class Key>
std::chrono::nanoseconds move_limits::take_from(table<Key>& buckets, Key key, std::uint64_t rate,
                                                double bytes, std::int64_t now_ns) {
  if (rate == 0)
    return std::chrono::nanoseconds{0};
  if (buckets.size() >= buckets_kept_max && !buckets.contains(key))
    for (auto at = buckets.begin(); at != buckets.end();)
      at = at->second.full(now_ns) ? buckets.erase(at) : std::next(at);
  return buckets.try_emplace(std::move(key), make_bucket(rate, now_ns))
      .first->second.take(bytes, now_ns);
}

} // namespace foreshift
