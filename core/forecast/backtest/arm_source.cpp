// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/arm_source.hpp"

#include "core/forecast/engine.hpp"

namespace foreshift {

namespace {

class engine_arms final : public arm_source {
public:
  explicit engine_arms(const forecaster_options& options) : engine_(options) {}

  std::vector<std::string> arms() const override {
    std::vector<std::string> out{"foreshift"};
    for (auto& each : engine_.arms())
      out.push_back(each);
    return out;
  }

  void observe(const access& x) override { engine_.observe(x); }
  void advance(std::int64_t now_ms) override { engine_.advance(now_ms); }

  std::vector<std::uint32_t> choose(std::size_t arm, std::size_t count) override {
    return arm == 0 ? engine_.choose(count) : engine_.choose_by(arms()[arm], count);
  }

private:
  forecast_engine engine_;
};

} // namespace

std::unique_ptr<arm_source> make_engine_arms(const forecaster_options& options) {
  return std::make_unique<engine_arms>(options);
}

} // namespace foreshift
