// SPDX-License-Identifier: Apache-2.0
#include "core/trace/workload.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace foreshift {

namespace {

constexpr std::array<std::pair<workload_kind, std::string_view>, 5> kinds{
    {{workload_kind::streams, "streams"},
     {workload_kind::zipf, "zipf"},
     {workload_kind::daily, "daily"},
     {workload_kind::scan, "scan"},
     {workload_kind::boot, "boot"}}};

} // namespace

std::string workload_names() {
  std::string out;
  for (auto& each : kinds)
    out += (out.empty() ? "" : ", ") + std::string{each.second};
  return out;
}

result<workload_kind> parse_workload(std::string_view name) {
  for (auto& [kind, known] : kinds)
    if (known == name)
      return kind;
  return fault{errc::invalid,
               "no workload '" + std::string{name} + "'; there are " + workload_names()};
}

double workload_random::scaled(double least, double most) {
  return least * std::pow(most / least, uniform());
}

double workload_random::wait(double mean) {
  return -mean * std::log1p(-uniform());
}

result<workload> workload::make(const workload_options& options) {
  constexpr std::uint64_t size_min = 1u << 30, size_max = std::uint64_t{1} << 50;
  if (options.span_us < 1)
    return fault{errc::invalid, "the span is empty"};
  if (options.size_bytes < size_min || options.size_bytes > size_max)
    return fault{errc::invalid, "a volume has 1 GiB to 1 PiB"};
  workload out(options);
  out.parts_ = make_parts(options, out.random_);
  return out;
}

bool workload::next(trace_request& out) {
  auto first = std::min_element(parts_.begin(), parts_.end(),
                                [](auto& a, auto& b) { return a->next_us < b->next_us; });
  if ((*first)->next_us >= options_.span_us)
    return false;
  out = (*first)->take(random_);
  return true;
}

} // namespace foreshift
