// SPDX-License-Identifier: Apache-2.0
#include "core/diagnosis/diagnosis.hpp"

#include "core/diagnosis/checks.hpp"

#include <fmt/format.h>

namespace foreshift::diagnosis {

namespace {

struct check {
  const char* name;
  std::string (*run)(const evidence&, notes&);
};

constexpr check checks[] = {
    {"versions", check_versions},
    {"hosts", check_hosts},
    {"clocks", check_clocks},
    {"ports", check_ports},
    {"certificates", check_certificates},
    {"disks", check_disks},
    {"epochs", check_epochs},
    {"maps", check_maps},
    {"replicas", check_replicas},
    {"orphans", check_orphans},
    {"notes", check_notes},
    {"scrub", check_scrub},
};

} // namespace

bool row_of(const host_evidence& host, std::uint64_t volume, schema::PlaneVolume::Reader& out) {
  if (host.plane)
    for (auto row : host.plane->read().getVolumes())
      if (row.getId() == volume) {
        out = row;
        return true;
      }
  return false;
}

std::string count(std::size_t number, const char* what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::vector<finding> examine(const evidence& x) {
  std::vector<finding> all;
  for (const auto& one : checks) {
    notes found{one.name};
    auto looked_at = one.run(x, found);
    auto some = found.take();
    if (some.empty())
      some.push_back({one.name, "", verdict::ok, std::move(looked_at), "", std::nullopt});
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

} // namespace foreshift::diagnosis
