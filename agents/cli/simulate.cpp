// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/simulate.hpp"

#include "agents/cli/progress_line.hpp"
#include "agents/cli/session.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"
#include "core/forecast/backtest/backtest.hpp"
#include "core/forecast/backtest/report_html.hpp"
#include "core/forecast/backtest/report_json.hpp"
#include "core/forecast/learned_arm.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sys/resource.h>

namespace foreshift::cli {

namespace {

std::int64_t thread_cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1'000'000'000ll + t.tv_nsec;
}

std::uint64_t peak_memory_bytes() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<std::uint64_t>(use.ru_maxrss) * kib;
}

fault about(const char* option, const fault& why) {
  return {errc::invalid, fmt::format("{}: {}", option, why.detail)};
}

/// Fills milliseconds; at most 32 bits of them unless `Int` is wider.
template <class Int>
result<void> read_duration(const char* option, const std::string& text, Int& out) {
  auto got = parse_duration(text);
  if (!got)
    return about(option, got.error());
  if (got->count() < 1 || got->count() > std::numeric_limits<Int>::max())
    return fault{errc::invalid, fmt::format("{}: '{}' is too short or too long", option, text)};
  out = static_cast<Int>(got->count());
  return {};
}

result<void> read_share(const char* option, const std::string& text, double& out) {
  auto got = parse_share(text);
  if (!got)
    return about(option, got.error());
  out = *got;
  return {};
}

result<std::shared_ptr<const lstm_weights>> read_weights(const std::string& path) {
  constexpr std::streamsize bytes_max = 1 << 20;
  std::ifstream in{path, std::ios::binary};
  std::string bytes(bytes_max + 1, '\0');
  in.read(bytes.data(), bytes_max + 1);
  if (in.bad() || (in.gcount() == 0 && !in.eof()))
    return fault{errc::failed, fmt::format("cannot read {}: {}", path, std::strerror(errno))};
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  auto got = load_lstm(bytes);
  if (!got)
    return fault{got.error().code, path + ": " + got.error().detail};
  return std::make_shared<const lstm_weights>(*std::move(got));
}

result<backtest_options> options_of(const simulate_request& what) {
  backtest_options out;
  auto format = parse_trace_format(what.format);
  if (!format)
    return format.error();
  out.trace.format = *format;
  out.trace.lenient = what.lenient;
  out.trace.volume = what.volume;
  auto extent = parse_bytes(what.extent);
  if (!extent)
    return about("--extent", extent.error());
  if (*extent > gib)
    return fault{errc::invalid, "--extent: at most 1 GiB"};
  out.extent_bytes = static_cast<std::uint32_t>(*extent);
  for (auto ok : {read_share("--budget", what.budget, out.budget),
                  read_share("--train", what.train, out.train),
                  read_duration("--span", what.span, out.span_ms),
                  read_duration("--window", what.window, out.window_ms),
                  read_duration("--horizon", what.horizon, out.horizon_ms)})
    if (!ok)
      return ok.error();
  if (what.arms != std::vector<std::string>{"all"})
    out.arms = what.arms;
  if (!what.lstm_weights.empty()) {
    auto weights = read_weights(what.lstm_weights);
    if (!weights)
      return weights.error();
    out.lstm_start = *std::move(weights);
  }
  out.seed = what.seed;
  out.cpu_ns = thread_cpu_ns;
  return out;
}

std::string share(double x) {
  return std::isnan(x) ? "-" : fmt::format("{:.1f}", 100 * x);
}

void print_arms(const backtest_report& x) {
  table out{{{"ARM"},
             {"ACCESS", align::right},
             {"DISTINCT", align::right},
             {"OF ORACLE", align::right},
             {"", align::right},
             {"READS", align::right},
             {"", align::right},
             {"MOVED", align::right},
             {"1 s", align::right},
             {"10 s", align::right},
             {"60 s", align::right},
             {"300 s", align::right},
             {"DECISION", align::right}}};
  auto row = [&](const arm_report& a, bool oracle) {
    std::vector<std::string> cells{a.name,
                                   share(a.share.access),
                                   share(a.share.distinct),
                                   share(a.of_oracle.access),
                                   share(a.of_oracle.distinct),
                                   share(a.share.read_access),
                                   share(a.share.read_distinct),
                                   oracle ? "-" : share(a.moved)};
    for (auto early : a.share.early)
      cells.push_back(share(early));
    cells.push_back(oracle ? "-"
                           : format_duration(std::chrono::nanoseconds{
                               static_cast<std::int64_t>(1000 * a.decision_us)}));
    out.row(std::move(cells));
  };
  for (auto& each : x.arms)
    row(each, false);
  row(x.oracle, true);
  out.print();
}

void print_report(const backtest_report& x) {
  auto& counts = x.counts;
  fmt::print("trace      {} ({}{}), {} requests over {}\n", x.trace, to_string(counts.format),
             counts.volumes.size() > 1 ? fmt::format(", {} volumes", counts.volumes.size()) : "",
             counts.requests, format_duration(std::chrono::microseconds{x.length_us}));
  if (counts.skipped > 0)
    fmt::print("skipped    {} bad lines, the first: {}\n", counts.skipped, counts.first_bad);
  if (counts.reordered > 0)
    fmt::print("reordered  {} requests came up to 10 s late\n", counts.reordered);
  fmt::print("extents    {}, budget {}\n", x.extents, x.budget_extents);
  fmt::print("decisions  {} from {} on{}\n\n", x.decisions,
             format_duration(
                 std::chrono::microseconds{static_cast<std::int64_t>(1e6 * x.first_decision_s)}),
             x.idle > 0 ? fmt::format(", {} of them without accesses", x.idle) : "");
  print_arms(x);
  fmt::print("\nIn %: shares of 4 KiB page accesses and of distinct pages in the chosen extents "
             "(ACCESS, DISTINCT),\nas a share of the clairvoyant choice (OF ORACLE), for reads "
             "alone (READS); budget newly moved\n(MOVED); distinct pages in the first seconds "
             "after a decision.\nlearning {:.0f} ns CPU a request, peak memory {}\n",
             x.observe_ns, format_bytes(peak_memory_bytes()));
}

result<std::ofstream> create(const std::string& path) {
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  if (!out)
    return fault{errc::failed, fmt::format("cannot write {}: {}", path, std::strerror(errno))};
  return out;
}

} // namespace

int simulate(session& s, const simulate_request& what) {
  auto options = options_of(what);
  if (!options)
    return s.fail(options.error());
  std::ofstream picks;
  if (!what.picks.empty()) {
    auto file = create(what.picks);
    if (!file)
      return s.fail(file.error());
    picks = std::move(*file);
    options->picks = &picks;
  }
  std::ofstream page;
  if (!what.report.empty()) {
    auto file = create(what.report);
    if (!file)
      return s.fail(file.error());
    page = std::move(*file);
    options->heat_map = true;
  }
  progress_line progress;
  options->progress = [&](const char* doing, double done) { progress.show(doing, done); };
  auto report = run_backtest(what.trace, *options);
  progress.clear();
  if (!report)
    return s.fail(report.error());
  if (options->picks != nullptr && !picks.flush())
    return s.fail({errc::failed, "cannot write " + what.picks});
  if (options->heat_map && !(page << to_html(*report, peak_memory_bytes())).flush())
    return s.fail({errc::failed, "cannot write " + what.report});
  if (s.json())
    fmt::print("{}\n", to_json(*report, peak_memory_bytes()));
  else
    print_report(*report);
  return 0;
}

} // namespace foreshift::cli
