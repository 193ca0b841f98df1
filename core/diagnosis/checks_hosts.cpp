// SPDX-License-Identifier: Apache-2.0
// Checks of hosts and of what lies between them.
#include "core/base/units.hpp"
#include "core/diagnosis/checks.hpp"
#include "core/lease/replicas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace foreshift::diagnosis {

namespace {

constexpr std::int64_t second_ms = 1000;
constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t clock_warn_ms = second_ms;
constexpr std::int64_t clock_fail_ms = 60 * second_ms;
constexpr std::int64_t certificate_warn_ms = 30 * day_ms;
constexpr std::uint64_t free_warn_percent = 10;

std::string host_subject(const std::string& name) {
  return "host " + name;
}

void judge_certificate(const certificate& x, const std::string& subject, std::int64_t now_ms,
                       notes& out) {
  constexpr const char* renew = "issue a new one (cluster-config/make-certificates.sh shows how) "
                                "and restart what uses it";
  if (!x.fault.empty())
    return out.add(verdict::fail, subject, x.fault, renew);
  auto named = fmt::format("'{}' of {}", x.path, x.subject);
  auto left_ms = x.ends_ms - now_ms;
  auto days = std::abs(left_ms) / day_ms;
  if (x.begins_ms > now_ms)
    out.add(verdict::fail, subject, named + " is not valid yet", "check the clock of this host");
  else if (left_ms <= 0)
    out.add(verdict::fail, subject, fmt::format("{} expired {} days ago", named, days), renew);
  else if (left_ms < certificate_warn_ms)
    out.add(verdict::warn, subject, fmt::format("{} expires in {} days", named, days), renew);
}

/// The host, and all others whose replica of the volume does not answer just now.
host_set out_of_reach(const evidence& x, std::uint64_t volume, const std::string& failed) {
  host_set out{failed};
  for (const auto& [name, host] : x.hosts) {
    bool answers = host.up && host.plane;
    if (answers)
      for (auto row : host.plane->read().getVolumes())
        answers = answers && (row.getId() != volume || row.getFailed().size() == 0);
    if (!answers && name != failed)
      out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void judge_failed(const evidence& x, const host_evidence& host, schema::PlaneVolume::Reader row,
                  notes& out) {
  auto subject = host_subject(host.address.name);
  auto reason = fmt::format("its replica of volume {} has failed: {}", row.getName().cStr(),
                            row.getFailed().cStr());
  auto volume = x.volumes.find(row.getId());
  bool only = volume != x.volumes.end()
              && !lease::held_only_by(volume->second.facts.placement,
                                      out_of_reach(x, row.getId(), host.address.name))
                      .isEmpty();
  if (only)
    out.add(verdict::fail, subject, reason + "; it is the only copy in reach of some extents",
            "bring the other hosts back, or restart the data plane to read what is left");
  else if (volume != x.volumes.end())
    out.add(verdict::fail, subject, reason,
            "replace the disk if it is broken; --repair empties the replica and brings it back",
            remedy{remedy::kind::reopen, row.getId(), host.address.name, 0});
}

} // namespace

std::string check_versions(const evidence& x, notes& out) {
  constexpr const char* upgrade = "upgrade it, one host at a time";
  if (!x.tool_version.empty() && x.tool_version != x.version)
    out.add(verdict::warn, "",
            fmt::format("this tool is {}, the coordinator {}", x.tool_version, x.version),
            "use the coordinator's version");
  for (const auto& [name, host] : x.hosts) {
    if (host.up && host.version != x.version)
      out.add(verdict::warn, host_subject(name),
              fmt::format("the agent is {}, the coordinator {}", host.version, x.version), upgrade);
    if (!host.examined)
      continue;
    std::string plane = host.examined->read().getPlaneVersion().cStr();
    if (!plane.empty() && plane != x.version)
      out.add(verdict::warn, host_subject(name),
              fmt::format("the data plane is {}, the coordinator {}", plane, x.version), upgrade);
  }
  return fmt::format("everything runs {}", x.version);
}

std::string check_hosts(const evidence& x, notes& out) {
  for (const auto& [name, host] : x.hosts) {
    if (!host.up)
      out.add(verdict::fail, host_subject(name), "its agent is silent",
              "start foreshift-agent there; 'foreshift host remove --lost' replaces a dead host");
    else if (!host.examined)
      out.add(verdict::fail, host_subject(name), "its agent does not answer: " + host.agent_fault,
              fmt::format("see that the coordinator can reach {}", host.address.agent));
    else if (!host.plane)
      out.add(verdict::fail, host_subject(name), "its data plane is down: " + host.plane_fault,
              "see log/plane.log in its data directory; the agent restarts it");
    else if (host.draining)
      out.add(verdict::warn, host_subject(name), "it is being drained and gets nothing new",
              "'foreshift host undrain' uses it again");
  }
  return count(x.hosts.size(), "host") + " up";
}

/// The host's clock was read at some time between question and answer.
std::string check_clocks(const evidence& x, notes& out) {
  std::int64_t worst_ms = 0;
  for (const auto& [name, host] : x.hosts) {
    if (!host.examined)
      continue;
    auto there_ms = host.examined->read().getWallMs();
    auto off_ms =
        std::max({std::int64_t{0}, host.asked_ms - there_ms, there_ms - host.answered_ms});
    worst_ms = std::max(worst_ms, off_ms);
    if (off_ms > clock_warn_ms)
      out.add(off_ms > clock_fail_ms ? verdict::fail : verdict::warn, host_subject(name),
              fmt::format("its clock is {:.1f} s {} the coordinator's",
                          static_cast<double>(off_ms) / second_ms,
                          there_ms < host.asked_ms ? "behind" : "ahead of"),
              "synchronise it (chrony, systemd-timesyncd): certificates, logs and the forecast's "
              "time of day go wrong; safety does not rest on it");
  }
  return fmt::format("within {} ms of the coordinator's", worst_ms);
}

std::string check_ports(const evidence& x, notes& out) {
  std::size_t tried = 0;
  for (const auto& [name, host] : x.hosts) {
    if (!host.examined)
      continue;
    for (auto port : host.examined->read().getPorts()) {
      ++tried;
      auto target = x.hosts.find(port.getHost().cStr());
      bool expected = target == x.hosts.end() || target->second.up;
      if (port.getFault().size() > 0 && expected)
        out.add(verdict::fail, host_subject(name),
                fmt::format("cannot use the port of host {} for {} ({}): {}", port.getHost().cStr(),
                            port.getUse().cStr(), port.getAddress().cStr(), port.getFault().cStr()),
                "check firewall and routes between the two, and plane.advertise of the other");
    }
  }
  return count(tried, "port") + " between hosts answer";
}

std::string check_certificates(const evidence& x, notes& out) {
  std::size_t seen = x.certificates.size();
  for (const auto& one : x.certificates)
    judge_certificate(one, "coordinator", x.now_ms, out);
  for (const auto& [name, host] : x.hosts) {
    if (!host.examined)
      continue;
    for (auto one : host.examined->read().getCertificates()) {
      ++seen;
      judge_certificate({one.getPath().cStr(), one.getSubject().cStr(), one.getFault().cStr(),
                         one.getBeginsMs(), one.getEndsMs()},
                        host_subject(name), x.now_ms, out);
    }
  }
  return seen == 0 ? "none in use: every door is on a unix socket or a loopback address"
                   : count(seen, "certificate") + " valid for 30 days at least";
}

std::string check_disks(const evidence& x, notes& out) {
  auto least = std::uint64_t{100};
  for (const auto& [name, host] : x.hosts) {
    if (!host.plane)
      continue;
    auto disk = host.plane->read().getDisk();
    if (auto total = disk.getTotalBytes(); total > 0) {
      auto percent = disk.getFreeBytes() * 100 / total;
      least = std::min(least, percent);
      auto room =
          fmt::format("{} of {} free besides the reserve of {}", format_bytes(disk.getFreeBytes()),
                      format_bytes(total), format_bytes(disk.getReserveBytes()));
      if (disk.getFreeBytes() == 0)
        out.add(verdict::fail, host_subject(name), room + ": new copies are refused",
                "free space, or drain volumes from it");
      else if (percent < free_warn_percent)
        out.add(verdict::warn, host_subject(name), room, "free space soon");
    }
    for (auto row : host.plane->read().getVolumes()) {
      if (row.getFailed().size() > 0)
        judge_failed(x, host, row, out);
      else if (row.getDoubt() != 0)
        out.add(verdict::warn, host_subject(name),
                fmt::format("it restarted and serves nothing of volume {} before that is compared",
                            row.getName().cStr()),
                "if it stays so, bring back the other hosts that have replicas of the volume");
    }
  }
  return fmt::format("no failed replica, {} % free at least", least);
}

} // namespace foreshift::diagnosis
