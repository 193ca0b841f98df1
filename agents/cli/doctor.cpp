// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "agents/cli/table.hpp"
#include "agents/cli/terminal.hpp"
#include "agents/cli/version.hpp"

#include <fmt/format.h>

namespace foreshift::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto examination_timeout = 4min;

const char* word_of(schema::Verdict verdict) {
  switch (verdict) {
  case schema::Verdict::OK:
    return "ok";
  case schema::Verdict::WARN:
    return "warn";
  case schema::Verdict::FAIL:
    return "fail";
  }
  return "unknown";
}

std::string lines(schema::Check::Reader x) {
  auto out = str(x.getReason());
  if (x.getAdvice().size() > 0 && !x.getRepaired())
    out += "; " + str(x.getAdvice());
  if (x.getRepair().size() > 0)
    out += std::string{x.getRepaired() ? "; repaired: " : "; repair "} + str(x.getRepair());
  return out;
}

void print_diagnosis(schema::Diagnosis::Reader x) {
  table out{{{"VERDICT"}, {"CHECK"}, {"ABOUT"}, {"WHAT WAS FOUND, AND WHAT TO DO"}}};
  for (auto row : x.getChecks())
    out.row({word_of(row.getVerdict()), str(row.getName()),
             row.getSubject().size() == 0 ? "-" : str(row.getSubject()), lines(row)});
  out.print();
}

} // namespace

/// Warnings are no failure: a script that wants them reads `verdict`.
int examine_cell(session& s, bool repair) {
  auto request = packet<schema::CellExamine>::make([&](auto x) {
    x.setRepair(repair);
    x.setVersion(version);
  });
  auto got = s.ask<schema::Diagnosis>(request, examination_timeout);
  if (!got)
    return s.fail(got.error());
  if (s.json())
    std::puts(to_json(*got).c_str());
  else
    print_diagnosis(got->read());
  return got->read().getVerdict() == schema::Verdict::FAIL ? exit_code(errc::failed) : 0;
}

} // namespace foreshift::cli
