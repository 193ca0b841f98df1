// SPDX-License-Identifier: Apache-2.0
#include "core/trace/iolog_writer.hpp"
#include "core/trace/workload.hpp"
#include "tests/unit/trace/trace_support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

using namespace foreshift;

namespace {

constexpr std::int64_t hour_us = 3600'000'000;
constexpr std::uint64_t volume_bytes = 16ull << 30;

std::vector<trace_request> generated(workload_kind kind, std::int64_t span_us,
                                     std::uint64_t seed = 1) {
  auto made = workload::make({kind, span_us, volume_bytes, seed});
  REQUIRE(made);
  std::vector<trace_request> out;
  for (trace_request x; made->next(x);)
    out.push_back(x);
  return out;
}

} // namespace

TEST_CASE("the same seed generates the same trace, another one another") {
  for (auto kind : {workload_kind::streams, workload_kind::zipf, workload_kind::daily,
                    workload_kind::scan, workload_kind::boot}) {
    auto one = generated(kind, hour_us / 2);
    CHECK(one.size() > 100);
    CHECK(one == generated(kind, hour_us / 2));
    CHECK(one != generated(kind, hour_us / 2, 2));
  }
}

TEST_CASE("generated requests are in order of time, within the span and the volume") {
  for (auto kind : {workload_kind::streams, workload_kind::zipf, workload_kind::daily,
                    workload_kind::scan, workload_kind::boot}) {
    std::int64_t last_us = 0;
    bool fine = true;
    for (auto& x : generated(kind, 2 * hour_us)) {
      fine = fine && x.at_us >= last_us && x.at_us < 2 * hour_us && x.bytes > 0
             && x.offset % 4096 == 0 && x.offset + x.bytes <= volume_bytes;
      last_us = x.at_us;
    }
    CHECK(fine);
  }
}

TEST_CASE("streams: nearly every request continues another") {
  auto all = generated(workload_kind::streams, hour_us);
  std::set<std::uint64_t> ends;
  std::size_t continued = 0;
  for (auto& x : all) {
    continued += ends.erase(x.offset);
    ends.insert(x.offset + x.bytes);
  }
  CHECK(continued > all.size() * 9 / 10);
}

TEST_CASE("daily: an hour resembles the same hour of the next day more than others") {
  constexpr std::int64_t day_us = 24 * hour_us;
  std::map<std::int64_t, std::size_t> requests;
  for (auto& x : generated(workload_kind::daily, 2 * day_us))
    ++requests[x.at_us / hour_us];
  double same = 0, other = 0;
  for (int hour = 0; hour < 24; ++hour) {
    auto now = static_cast<double>(requests[hour]);
    same += std::abs(now - static_cast<double>(requests[hour + 24]));
    other += std::abs(now - static_cast<double>(requests[(hour + 12) % 24 + 24]));
  }
  CHECK(same * 3 < other);
}

TEST_CASE("boot: every storm reads what the one before read") {
  constexpr std::int64_t period_us = hour_us / 2;
  std::set<std::uint64_t> storms[2];
  for (auto& x : generated(workload_kind::boot, 2 * period_us))
    if (x.offset < volume_bytes / 4)
      storms[x.at_us / period_us].insert(x.offset);
  CHECK(storms[0].size() > 1000);
  CHECK(storms[0] == storms[1]);
}

TEST_CASE("what is written as an iolog is read back as it was") {
  auto all = generated(workload_kind::zipf, hour_us / 10);
  all[3].op = access_op::zero;
  auto start_us = all[0].at_us;
  std::ostringstream text;
  iolog_writer writer(text, "/dev/nbd0");
  for (auto& x : all)
    writer.write(x);
  writer.end();
  for (auto& x : all)
    x.at_us -= start_us;
  read_trace back(text.str(), {}, 100);
  CHECK_FALSE(back.why);
  CHECK(back.requests == all);
}

TEST_CASE("volumes below 1 GiB and empty spans are refused") {
  CHECK_FALSE(workload::make({workload_kind::boot, hour_us, 1u << 29, 1}));
  CHECK_FALSE(workload::make({workload_kind::boot, 0, volume_bytes, 1}));
  CHECK_FALSE(parse_workload("rain"));
}
