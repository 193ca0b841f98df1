// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/backtest/backtest.hpp"
#include "core/forecast/backtest/report_json.hpp"
#include "core/trace/iolog_writer.hpp"
#include "core/trace/workload.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

using namespace foreshift;
using json = nlohmann::json;

namespace {

/// A file that goes with the test.
class temporary_file {
public:
  explicit temporary_file(const std::string& text)
      : path_(std::filesystem::temp_directory_path()
              / ("foreshift-trace-" + std::to_string(getpid()) + "-" + std::to_string(count_++))) {
    std::ofstream{path_, std::ios::binary} << text;
  }
  ~temporary_file() { std::filesystem::remove(path_); }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  std::string path() const { return path_.string(); }

private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

/// Ten minutes, a request a second, that goes round extents 0 to 9; a page each, every other one a
/// write.
std::string round_trace() {
  std::string out = "version,time,op,size,lbn\n";
  for (int i = 0; i < 600; ++i)
    out += "1," + std::to_string(1000 + i) + (i % 2 ? ",2a,4096," : ",28,4096,")
           + std::to_string(i % 10 * 2048) + "\n";
  return out;
}

backtest_options minutes() {
  backtest_options out;
  out.budget = 0.2;
  out.window_ms = 10'000;
  out.horizon_ms = 60'000;
  return out;
}

/// Notes what it is told, and chooses by a function of the decision's number.
class scripted_arms final : public arm_source {
public:
  using script = std::function<std::vector<std::uint32_t>(int decision)>;
  struct notes {
    std::int64_t last_access_ms = -1;
    std::vector<std::pair<std::int64_t, std::int64_t>> decisions; ///< Time, last access before it.
    std::size_t count = 0;
  };

  scripted_arms(script how, notes& to) : how_(std::move(how)), to_(to) {}

  std::vector<std::string> arms() const override { return {"first", "second"}; }
  void observe(const foreshift::access& x) override { to_.last_access_ms = x.at_ms; }
  void advance(std::int64_t now_ms) override {
    to_.decisions.emplace_back(now_ms, to_.last_access_ms);
  }
  std::vector<std::uint32_t> choose(std::size_t arm, std::size_t count) override {
    to_.count = count;
    return arm == 0 ? how_(static_cast<int>(to_.decisions.size()) - 1)
                    : std::vector<std::uint32_t>{};
  }

private:
  script how_;
  notes& to_;
};

result<backtest_report> scripted(const std::string& trace, scripted_arms::script how,
                                 scripted_arms::notes& notes,
                                 backtest_options options = minutes()) {
  temporary_file file(trace);
  options.make_arms = [&](const forecaster_options&) {
    return std::make_unique<scripted_arms>(how, notes);
  };
  return run_backtest(file.path(), options);
}

std::string fault_of(const std::string& trace, const backtest_options& options) {
  temporary_file file(trace);
  auto got = run_backtest(file.path(), options);
  return got ? "" : got.error().detail;
}

} // namespace

TEST_CASE("decisions fall on every horizon of the last share, and see only what came before") {
  scripted_arms::notes notes;
  auto got = scripted(
      round_trace(),
      [](int) {
        return std::vector<std::uint32_t>{0, 1};
      },
      notes);
  REQUIRE(got);
  CHECK(got->decisions == 3); // 599 s are not four whole horizons from 360 s on
  CHECK(got->budget_extents == 2);
  CHECK(notes.count == 2);
  REQUIRE(notes.decisions.size() == 4); // the last only ends the last horizon
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(notes.decisions[k].first == 360'000 + 60'000 * static_cast<std::int64_t>(k));
    CHECK(notes.decisions[k].second == notes.decisions[k].first - 1000);
  }
}

TEST_CASE("scores are shares of page accesses and distinct pages, of all and of reads alone") {
  scripted_arms::notes notes;
  auto got = scripted(
      round_trace(),
      [](int) {
        return std::vector<std::uint32_t>{0, 2};
      },
      notes);
  REQUIRE(got);
  REQUIRE(got->arms.size() == 2);
  auto& arm = got->arms[0];
  CHECK(arm.share.access == doctest::Approx(0.2));
  CHECK(arm.share.distinct == doctest::Approx(0.2));
  CHECK(arm.share.read_access == doctest::Approx(0.4)); // even extents are read, odd ones written
  CHECK(arm.of_oracle.read_access == doctest::Approx(1.0));
  CHECK(arm.of_oracle.access == doctest::Approx(1.0));
  CHECK(arm.share.early[0] == doctest::Approx(1.0)); // the first second touches extent 0 alone
  CHECK(arm.share.early[1] == doctest::Approx(0.2));
  CHECK(std::isnan(arm.share.early[3])); // 300 s are more than a horizon
  CHECK(got->arms[1].share.access == 0);
  CHECK(got->oracle.share.access == doctest::Approx(0.2));
}

TEST_CASE("moved is what was not chosen one decision before; the first decision moves nothing") {
  scripted_arms::notes notes;
  auto half = [](int k) {
    return std::vector<std::uint32_t>{0, static_cast<std::uint32_t>(1 + k)};
  };
  auto got = scripted(round_trace(), half, notes);
  REQUIRE(got);
  CHECK(got->arms[0].moved == doctest::Approx(0.5));
  CHECK(got->arms[1].moved == 0);
}

TEST_CASE("a horizon without accesses counts in no mean") {
  scripted_arms::notes notes;
  auto text = round_trace() + "1,1725,28,4096,0\n";
  auto got = scripted(
      text, [](int) { return std::vector<std::uint32_t>{0}; }, notes);
  REQUIRE(got);
  CHECK(got->decisions == 4); // 435 s are rounded up to 440 s; the horizon at 620 s would not end
  CHECK(got->idle == 1);
  CHECK(got->arms[0].share.access > 0.05);
  CHECK(std::isnan(got->arms[0].curve[3]));
}

TEST_CASE("a request over two extents counts its pages in both") {
  scripted_arms::notes notes;
  std::string text;
  for (int i = 0; i < 600; ++i) // 1 page in extent 0, 2 in extent 1
    text += "7,R,1044480,12288," + std::to_string(i * 1'000'000ll) + "\n";
  auto options = minutes();
  options.budget = 0.5;
  auto got = scripted(
      text, [](int) { return std::vector<std::uint32_t>{0}; }, notes, options);
  REQUIRE(got);
  CHECK(got->extents == 2);
  CHECK(got->arms[0].share.access == doctest::Approx(1.0 / 3));
  CHECK(got->oracle.share.access == doctest::Approx(2.0 / 3));
}

TEST_CASE("a trace without times is spread over the span") {
  std::string text;
  for (int i = 0; i < 1000; ++i)
    text += std::to_string(i % 50 * 2048) + " 8 0 " + std::to_string(i) + "\n";
  scripted_arms::notes notes;
  auto options = minutes();
  options.span_ms = 600'000;
  auto got = scripted(
      text, [](int) { return std::vector<std::uint32_t>{}; }, notes, options);
  REQUIRE(got);
  CHECK(got->length_us == 600'000'000);
  CHECK(got->decisions == 4);
  CHECK(notes.decisions[0].second == 359'400);
}

TEST_CASE("the same seed gives the same picks and figures, and every pick is within the budget") {
  auto made = workload::make({workload_kind::zipf, 1800'000'000, 4ull << 30, 5});
  REQUIRE(made);
  std::ostringstream log;
  iolog_writer writer(log, "x");
  for (trace_request x; made->next(x);)
    writer.write(x);
  temporary_file file(log.str());
  std::string picks[2], texts[2];
  for (int i = 0; i < 2; ++i) {
    std::ostringstream out;
    auto options = minutes();
    options.picks = &out;
    auto got = run_backtest(file.path(), options);
    REQUIRE(got);
    picks[i] = out.str();
    auto parsed = json::parse(to_json(*got, 0));
    parsed.erase("cost");
    texts[i] = parsed.dump();
    CHECK(got->arms[0].name == "foreshift");
    CHECK(got->arms.size() > 2);
    for (auto& arm : got->arms) {
      CHECK(arm.share.access <= got->oracle.share.access + 1e-9);
      CHECK(arm.share.distinct <= got->oracle.share.distinct + 1e-9);
    }
  }
  CHECK(picks[0] == picks[1]);
  CHECK(texts[0] == texts[1]);
  CHECK(picks[0].starts_with("decision,time_s,arm,extent\n0,1080.000,foreshift,"));
}

TEST_CASE("the JSON has the words of the documentation") {
  scripted_arms::notes notes;
  auto got = scripted(
      round_trace(),
      [](int) {
        return std::vector<std::uint32_t>{0, 2};
      },
      notes);
  REQUIRE(got);
  auto out = json::parse(to_json(*got, 4096));
  for (auto* key : {"trace", "requests", "extents", "decisions", "oracle", "arms"})
    CHECK(out.contains(key));
  auto& arm = out["arms"]["first"];
  for (auto* key : {"access", "distinct", "of_oracle_access", "of_oracle_distinct", "moved"})
    CHECK(arm[key].is_number());
  CHECK(arm["reads"]["access"] == doctest::Approx(0.4));
  CHECK(arm["after_flip"]["10"] == doctest::Approx(0.2));
  CHECK(arm["after_flip"]["300"].is_null());
  CHECK(out["requests"] == 600);
  CHECK(out["cost"]["peak_memory_bytes"] == 4096);
}

TEST_CASE("options that make no sense are refused in words") {
  auto with = [](auto change) {
    auto options = minutes();
    change(options);
    return fault_of(round_trace(), options);
  };
  auto budget = "the budget must be above 0 % and at most 100 %";
  CHECK(with([](auto& o) { o.budget = 0; }) == budget);
  CHECK(with([](auto& o) { o.budget = 1.01; }) == budget);
  CHECK(with([](auto& o) { o.budget = std::nan(""); }) == budget);
  CHECK(with([](auto& o) { o.train = 1; }).find("training takes") == 0);
  CHECK(with([](auto& o) { o.train = std::nan(""); }).find("training takes") == 0);
  CHECK(with([](auto& o) { o.extent_bytes = 5000; }).find("an extent is") == 0);
  CHECK(with([](auto& o) { o.window_ms = 0; }).find("a window lasts") == 0);
  CHECK(with([](auto& o) { o.horizon_ms = 10; }).find("a horizon lasts") == 0);
  CHECK(with([](auto& o) { o.arms = {"run", "best"}; }).find("no arm 'best'; there are ") == 0);
}

TEST_CASE("a trace shorter than one horizon behind the training is refused in words") {
  auto options = minutes();
  options.horizon_ms = 300'000;
  CHECK(fault_of(round_trace(), options).find("no whole horizon") != std::string::npos);
  CHECK(fault_of("7,R,0,4096,5\n", minutes()).find("no whole horizon") != std::string::npos);
}

TEST_CASE("a trace of which nothing is left says so") {
  auto options = minutes();
  options.trace.volume = "8";
  CHECK(fault_of("7,R,0,4096,5\n", options).find("holds no request of volume '8'")
        != std::string::npos);
  options.trace.volume.clear();
  options.trace.format = trace_format::arc;
  options.trace.lenient = true;
  CHECK(fault_of("rubbish\nrubbish\n", options).find("holds no request; the first of 2 bad lines")
        != std::string::npos);
}

TEST_CASE("addresses that 32 bits of extents cannot number are bad lines") {
  auto options = minutes();
  options.extent_bytes = 4096;
  CHECK(fault_of("7,R,17592186040320,4096,5\n", options).find(":1:1: the request reaches beyond")
        != std::string::npos);
}

TEST_CASE("picking the best extents of a known horizon is what the oracle scores") {
  // The trace repeats each minute, so that one minute's tally is the clairvoyant choice.
  std::string text;
  for (int i = 0; i < 600; ++i)
    text += "7,R," + std::to_string((i % 60) * (i % 60) / 100 * (1 << 20)) + ",4096,"
            + std::to_string(i * 1'000'000ll) + "\n";
  scripted_arms::notes notes;
  auto options = minutes();
  options.budget = 0.1;
  auto got = scripted(
      text,
      [](int) {
        return std::vector<std::uint32_t>{0, 1, 2};
      },
      notes, options);
  REQUIRE(got);
  CHECK(got->budget_extents == 3);
  CHECK(got->arms[0].of_oracle.access == doctest::Approx(1.0));
}
