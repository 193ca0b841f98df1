// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/diagnosis/diagnosis.hpp"

#include <string>
#include <utility>
#include <vector>

// The single checks; only diagnosis.cpp and they include this.
namespace foreshift::diagnosis {

/// Collects what one check finds.
class notes {
public:
  explicit notes(std::string check) : check_(std::move(check)) {}

  void add(verdict how, std::string subject, std::string reason, std::string advice,
           std::optional<remedy> cure = std::nullopt) {
    all_.push_back(
        {check_, std::move(subject), how, std::move(reason), std::move(advice), std::move(cure)});
  }
  std::vector<finding> take() { return std::move(all_); }

private:
  std::string check_;
  std::vector<finding> all_;
};

/// Each returns what it looked at, for the line that says that nothing is wrong.
std::string check_versions(const evidence& x, notes& out);
std::string check_hosts(const evidence& x, notes& out);
std::string check_clocks(const evidence& x, notes& out);
std::string check_ports(const evidence& x, notes& out);
std::string check_certificates(const evidence& x, notes& out);
std::string check_disks(const evidence& x, notes& out);
std::string check_epochs(const evidence& x, notes& out);
std::string check_maps(const evidence& x, notes& out);
std::string check_replicas(const evidence& x, notes& out);
std::string check_orphans(const evidence& x, notes& out);
std::string check_notes(const evidence& x, notes& out);
std::string check_scrub(const evidence& x, notes& out);

/// What a host's data plane says of a volume; false: nothing.
bool row_of(const host_evidence& host, std::uint64_t volume, schema::PlaneVolume::Reader& out);

std::string count(std::size_t number, const char* what);

} // namespace foreshift::diagnosis
