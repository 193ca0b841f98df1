// SPDX-License-Identifier: Apache-2.0
// What a volume's VCI does, as the learned arm sees it.
#include "core/forecast/engine.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace foreshift;

namespace {

constexpr std::uint32_t mib = 1u << 20;

/// The last rows of inputs that the learned arm is taught, while the VCI does `x`.
std::vector<float> taught(const vci_activity& x) {
  forecast_engine engine({.size_bytes = 1024ull * mib,
                          .horizon_ms = 10'000,
                          .more_horizons_ms = {},
                          .budget_extents = 16});
  std::vector<float> out;
  engine.watch([&](const learned_arm::example& seen) { out = seen.inputs; });
  engine.notice(x);
  for (std::int64_t now_ms = 0; now_ms < 40'000; now_ms += 20)
    engine.observe({now_ms, static_cast<std::uint64_t>(now_ms / 20 % 64) * mib, 4096, false});
  engine.advance(40'000);
  return out;
}

} // namespace

TEST_CASE("activity: what a VCI does is scaled to 0..1, whatever is told") {
  auto none = vci_activity{}.scaled();
  auto busy =
      vci_activity{.cpu_share = 1, .memory_bytes = 1e9, .disk_bytes = 1e6, .request_us = 500};
  auto some = busy.scaled();
  auto much = vci_activity{1e9, 1e300, INFINITY, 1e30}.scaled();
  auto odd = vci_activity{-1, -1, -1, -1}.scaled();
  for (std::size_t i = 0; i < none.size(); ++i) {
    CHECK(none[i] == 0);
    CHECK(odd[i] == 0);
    CHECK(some[i] > 0.1f);
    CHECK(some[i] < much[i]);
    CHECK(much[i] <= 1);
  }
}

TEST_CASE("activity: the learned arm is taught with what the VCI did at the decision") {
  vci_activity busy{.cpu_share = 3, .memory_bytes = 4e6, .disk_bytes = 2e7, .request_us = 900};
  auto rows = taught(busy);
  auto width = shipped_lstm().inputs;
  REQUIRE(rows.size() >= width);
  auto want = busy.scaled();
  for (std::size_t row = 0; row + width <= rows.size(); row += width)
    for (std::size_t i = 0; i < want.size(); ++i)
      CHECK(rows[row + width - want.size() + i] == want[i]);
}

TEST_CASE("activity: a difference that it makes is learnt") {
  auto weights = lstm_weights::random(3, 8, 5).widened(1);
  lstm_optimizer optimizer{2e-2f};
  std::vector<std::vector<float>> inputs{{0.5f, 0.5f, 0.5f, 0, 0.5f, 0.5f, 0.5f, 1}};
  std::vector<float> targets{0.1f, 3};
  lstm_state before{std::vector<float>(16), std::vector<float>(16)};
  auto expected = [&] {
    auto state = before;
    return lstm_step(weights, inputs.front(), state);
  };
  REQUIRE(expected()[0] == doctest::Approx(expected()[1])); // it counts nothing at first
  for (int i = 0; i < 300; ++i)
    optimizer.apply(weights, lstm_learn(weights, inputs, before, targets));
  CHECK(std::exp(expected()[0]) == doctest::Approx(0.1).epsilon(0.3));
  CHECK(std::exp(expected()[1]) == doctest::Approx(3).epsilon(0.3));
}
