// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/merge.hpp"

#include "core/base/error.hpp"

#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

constexpr double memory = 0.9; ///< Of past losses, per evaluation.
constexpr double learning_rate = 3;
constexpr double accesses_full = 50; ///< Fewer than so many teach proportionally less.
constexpr double floor_share = 0.02; ///< Spread evenly, so that everyone can come back.

xt::xtensor<double, 1> weights_of(const std::vector<double>& losses) {
  auto lost = xt::adapt(losses, std::array{losses.size()});
  xt::xtensor<double, 1> raw = xt::exp(-(lost - xt::amin(lost)()));
  auto even = floor_share / static_cast<double>(losses.size());
  return (1 - floor_share) * raw / xt::sum(raw)() + even;
}

void learn(std::vector<double>& losses, const std::vector<double>& now, double accesses) {
  if (accesses <= 0)
    return;
  auto best = *std::min_element(now.begin(), now.end());
  auto rate = learning_rate * std::min(1.0, accesses / accesses_full);
  for (std::size_t i = 0; i < losses.size(); ++i)
    losses[i] = memory * losses[i] + rate * (now[i] - best);
}

/// Weighted sum of normalised scores, times `total`. Who has no score for anything has no say.
std::vector<float> blend(std::span<const heat_scores> scores, std::vector<float> heat_scores::*kind,
                         const xt::xtensor<double, 1>& weights, double total) {
  auto count = (scores[0].*kind).size();
  std::vector<double> sums(scores.size());
  double believed = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    sums[i] = xt::sum<double>(xt::adapt(scores[i].*kind, std::array{count}))();
    believed += sums[i] > 0 ? weights(i) : 0;
  }
  std::vector<float> out(count);
  auto merged = xt::adapt(out, std::array{count});
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (sums[i] > 0)
      merged += static_cast<float>(weights(i) / believed * total / sums[i])
                * xt::adapt(scores[i].*kind, std::array{count});
  return out;
}

class weighted_merge final : public expert_merge {
public:
  explicit weighted_merge(std::size_t experts) : read_losses_(experts), write_losses_(experts) {}

  void judge(std::span<const verdict> verdicts, double reads, double writes) override {
    FORESHIFT_ENSURE(verdicts.size() == read_losses_.size());
    auto loss = [](double promised, double came) { return 1 - came + std::abs(promised - came); };
    std::vector<double> now_reads, now_writes;
    for (auto& each : verdicts) {
      now_reads.push_back(loss(each.promised_reads, each.came_reads));
      now_writes.push_back(loss(each.promised_writes, each.came_writes));
    }
    learn(read_losses_, now_reads, reads);
    learn(write_losses_, now_writes, writes);
  }

  heat_scores combine(std::span<const heat_scores> scores, double total_reads,
                      double total_writes) const override {
    FORESHIFT_ENSURE(scores.size() == read_losses_.size());
    return {blend(scores, &heat_scores::reads, weights_of(read_losses_), total_reads),
            blend(scores, &heat_scores::writes, weights_of(write_losses_), total_writes)};
  }

  expert_weights weights() const override {
    auto reads = weights_of(read_losses_);
    auto writes = weights_of(write_losses_);
    return {{reads.begin(), reads.end()}, {writes.begin(), writes.end()}};
  }

  void save(byte_writer& out) const override {
    out.put_all(read_losses_);
    out.put_all(write_losses_);
  }

  void load(byte_reader& in) override {
    for (auto* losses : {&read_losses_, &write_losses_}) {
      *losses = in.get_column<double>(losses->size());
      for (auto lost : *losses)
        in.require(std::isfinite(lost) && lost >= 0 && lost < 1e6);
    }
  }

private:
  std::vector<double> read_losses_;
  std::vector<double> write_losses_;
};

} // namespace

std::unique_ptr<expert_merge> make_weighted_merge(std::size_t experts) {
  return std::make_unique<weighted_merge>(experts);
}

} // namespace foreshift
