// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace foreshift::cli {

namespace {

constexpr std::size_t strip_columns = 64;

void print_affinity(schema::AffinityMatrix::Reader x) {
  std::set<std::string> hosts;
  for (auto row : x.getRows())
    for (auto cell : row.getCells())
      hosts.insert(str(cell.getHost()));
  std::vector<table::column> columns{{"VOLUME"}, {"RUNS ON"}, {"GOES TO"}};
  for (const auto& host : hosts)
    columns.push_back({host, align::right});
  table out{columns};
  for (auto row : x.getRows()) {
    std::map<std::string, std::string> by_host;
    for (auto cell : row.getCells())
      by_host[str(cell.getHost())] =
          fmt::format("{:.2f} / {:.2f}", cell.getScore(), cell.getPull());
    std::vector<std::string> cells{str(row.getName()),
                                   row.getHost().size() == 0 ? "-" : str(row.getHost()),
                                   row.getTarget().size() == 0 ? "-" : str(row.getTarget())};
    for (const auto& host : hosts)
      cells.push_back(by_host.contains(host) ? by_host[host] : "-");
    out.row(std::move(cells));
  }
  out.print("no scores yet: attach a volume and use it for a while");
  if (!out.empty())
    fmt::print("score / pull: share of predicted accesses that land there / how well it serves the "
               "VCI's host\n");
}

void print_hot(schema::Hot::Reader x) {
  auto forecast = x.getForecast();
  if (forecast.getExtents().size() == 0) {
    fmt::print("no forecast of {} yet: it needs some seconds of I/O\n", view(x.getName()));
    return;
  }
  fmt::print("{}: expects {} reads and {} writes in the next {}, learned by {} from {}\n\n",
             view(x.getName()), number(forecast.getTotalReads()), number(forecast.getTotalWrites()),
             format_duration(std::chrono::milliseconds{forecast.getHorizonMs()}),
             view(forecast.getHost()),
             format_duration(std::chrono::milliseconds{forecast.getObservedMs()}));
  std::vector<float> strip;
  for (auto heat : x.getStrip())
    strip.push_back(heat);
  fmt::print("{}\n", heat_strip(strip, x.getExtentsTotal(), strip_columns, colourful()));
  table out{{{"EXTENT", align::right},
             {"READS", align::right},
             {"WRITES", align::right},
             {"BYTES", align::right}}};
  for (auto e : forecast.getExtents())
    out.row({std::to_string(e.getExtent()), number(e.getReads()), number(e.getWrites()),
             format_bytes(static_cast<std::uint64_t>(e.getBytes()))});
  out.print();
  auto experts = forecast.getExperts();
  bool judged = experts.size() < 2;
  for (auto expert : experts)
    judged |= expert.getWeight() != experts[0].getWeight();
  if (!judged) {
    fmt::print("\nexperts: {}, none of them judged yet\n", experts.size());
    return;
  }
  fmt::print("\nexperts:");
  for (auto expert : experts)
    fmt::print(" {} {}", view(expert.getName()), percent(expert.getWeight()));
  fmt::print("\n");
}

std::string range(std::uint32_t first, std::uint32_t count) {
  return count == 1 ? std::to_string(first) : fmt::format("{}-{}", first, first + count - 1);
}

void print_moves(schema::Plan::Reader x) {
  table out{{{"EXTENTS", align::right},
             {"FROM"},
             {"TO"},
             {"BYTES", align::right},
             {"ACCESSES", align::right},
             {"REASON"}}};
  for (auto m : x.getMoves())
    out.row({range(m.getFirstExtent(), m.getExtents()), str(m.getFrom()), str(m.getTo()),
             format_bytes(m.getBytes()), number(m.getAccesses()), str(m.getReason())});
  out.print("nothing would be moved");
  table left{{{"STAY", align::right}, {"ACCESSES", align::right}, {"REASON"}}};
  for (auto l : x.getLeft())
    left.row(
        {range(l.getFirstExtent(), l.getExtents()), number(l.getAccesses()), str(l.getReason())});
  if (!left.empty()) {
    fmt::print("\n");
    left.print();
  }
}

void print_plan(schema::Plan::Reader x) {
  fmt::print("plan {}: {} to {} (a dry run; nothing has been moved)\n\n", x.getId(),
             view(x.getName()), view(x.getTo()));
  print_moves(x);
  fmt::print("\nmoves     {} of a budget of {}, about {}\n", format_bytes(x.getBytes()),
             format_bytes(x.getBudgetBytes()),
             format_duration(std::chrono::milliseconds{x.getExpectedMs()}));
  fmt::print("coverage  {} now, {} after, of predicted accesses\n", percent(x.getCoverageBefore()),
             percent(x.getCoverageAfter()));
  fmt::print("          {} now, {} after, of predicted distinct bytes\n",
             percent(x.getBytesCoverageBefore()), percent(x.getBytesCoverageAfter()));
  if (x.getExpectedFlipUs() > 0)
    fmt::print("flip      about {} (median of recent flips)\n",
               format_duration(std::chrono::microseconds{x.getExpectedFlipUs()}));
  if (x.getNextBudgetBytes() > 0 && x.getNextBudgetGain() >= 0.001)
    fmt::print("more      another {} would add {} of coverage\n",
               format_bytes(x.getNextBudgetBytes()), percent(x.getNextBudgetGain()));
  if (x.getNote().size() > 0)
    fmt::print("note      {}\n", view(x.getNote()));
}

std::string horizon(std::uint32_t ms) {
  return format_duration(std::chrono::milliseconds{ms});
}

void print_ledger(schema::Hot::Reader x) {
  auto forecast = x.getForecast();
  table out{{{"HORIZON", align::right},
             {"JUDGED", align::right},
             {"PROMISED", align::right},
             {"COVERED", align::right},
             {"CLAIRVOYANT", align::right},
             {"OF IT", align::right},
             {"REGRET", align::right},
             {"WASTED", align::right},
             {"MOVED", align::right},
             {"LEAD"}}};
  for (auto l : forecast.getLedgers())
    if (l.getDecisions() > 0)
      out.row({horizon(l.getHorizonMs()), number(l.getDecisions()), percent(l.getPromised()),
               percent(l.getCovered()), percent(l.getOracle()), percent(l.getOfOracle()),
               percent(std::max(0.0, l.getOracle() - l.getCovered())), percent(l.getWasted()),
               percent(l.getMoved()), str(l.getLead())});
  fmt::print("{}: predicted against realised, of accesses\n\n", view(x.getName()));
  out.print("nothing judged yet: a forecast is judged when its horizon has passed");
  if (out.empty())
    return;
  auto first = forecast.getLedgers()[0];
  fmt::print("\npromised and covered over {}:", horizon(first.getHorizonMs()));
  for (auto bin : first.getCalibration())
    if (bin.getDecisions() > 0)
      fmt::print(" {}->{} ({})", percent(bin.getPromised()), percent(bin.getCovered()),
                 number(bin.getDecisions()));
  fmt::print("\narms, of the clairvoyant choice:");
  for (auto arm : first.getArms())
    if (arm.getWeight() > 0)
      fmt::print(" {} {}", view(arm.getName()), percent(arm.getWeight()));
  fmt::print("\n");
}

} // namespace

int show_ledger(session& s, const std::string& volume) {
  auto request = packet<schema::HotGet>::make([&](auto x) {
    x.setVolume(volume.c_str());
    x.setTop(1);
  });
  return ask_and_show<schema::Hot>(s, request, print_ledger);
}

int show_affinity(session& s, const std::string& volume) {
  auto request = packet<schema::AffinityGet>::make([&](auto x) { x.setVolume(volume.c_str()); });
  return ask_and_show<schema::AffinityMatrix>(s, request, print_affinity);
}

int show_hot(session& s, const std::string& volume, std::uint32_t top) {
  auto request = packet<schema::HotGet>::make([&](auto x) {
    x.setVolume(volume.c_str());
    x.setTop(top);
  });
  return ask_and_show<schema::Hot>(s, request, print_hot);
}

int show_plan(session& s, const std::string& volume, const std::string& to,
              const std::string& budget) {
  std::uint64_t budget_bytes = 0;
  if (!budget.empty()) {
    auto parsed = parse_bytes(budget);
    if (!parsed)
      return s.fail(parsed.error());
    budget_bytes = *parsed;
  }
  auto request = packet<schema::PlanGet>::make([&](auto x) {
    x.setVolume(volume.c_str());
    x.setTo(to.c_str());
    x.setBudgetBytes(budget_bytes);
  });
  return ask_and_show<schema::Plan>(s, request, print_plan);
}

} // namespace foreshift::cli
