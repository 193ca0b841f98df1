// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/host_report.hpp"

#include <set>
#include <unistd.h>

namespace foreshift {

namespace {

void fill_texts(capnp::List<capnp::Text>::Builder out, const std::vector<std::string>& from) {
  for (unsigned i = 0; i < out.size(); ++i)
    out.set(i, from[i].c_str());
}

void fill(schema::HostSample::Builder out, const host_sample& x) {
  out.setCpuShare(x.cpu_share);
  out.setCores(x.cores);
  out.setMemoryBytes(x.memory_bytes);
  out.setMemoryFreeBytes(x.memory_free_bytes);
  out.setLoad1(x.load1);
  out.setNetRxBytes(x.net_rx_bytes);
  out.setNetTxBytes(x.net_tx_bytes);
  out.setDiskReadBytes(x.disk_read_bytes);
  out.setDiskWriteBytes(x.disk_write_bytes);
  fill_texts(out.initMissing(static_cast<unsigned>(x.missing.size())), x.missing);
}

/// What both sources tell is QEMU's own word.
void fill_guest(schema::VciSample::Builder out, const std::string& volume,
                const guest_samples& guests) {
  std::vector<std::string> sources;
  for (auto& x : guests) {
    if (x.volume != volume)
      continue;
    sources.push_back(x.source);
    if (x.source == "libvirt") {
      out.setDomain(x.domain);
      out.setDomainState(x.domain_state);
      out.setMemoryBytes(x.memory_bytes);
      out.setDomainCpuShare(x.cpu_share);
    }
    if (x.source == "libvirt" && sources.size() > 1)
      continue;
    out.setGuestReads(x.reads);
    out.setGuestWrites(x.writes);
    out.setGuestReadBytes(x.read_bytes);
    out.setGuestWriteBytes(x.write_bytes);
    out.setGuestReadUs(x.read_us);
    out.setGuestWriteUs(x.write_us);
    if (x.source == "qmp")
      out.setDirtyBytes(x.dirty_bytes);
  }
  fill_texts(out.initSources(static_cast<unsigned>(sources.size())), sources);
}

void fill(schema::VciSample::Builder out, std::uint64_t volume, const vci_sample& x,
          const std::vector<std::string>& also_missing) {
  out.setVolume(volume);
  out.setPid(x.pid);
  out.setCommand(x.command.c_str());
  out.setCpuShare(x.cpu_share);
  out.setRssBytes(x.rss_bytes);
  out.setPageFaults(x.page_faults);
  out.setReadBytes(x.read_bytes);
  out.setWriteBytes(x.write_bytes);
  out.setCgroup(x.cgroup.c_str());
  out.setCgroupCpuShare(x.cgroup_cpu_share);
  out.setCgroupMemoryBytes(x.cgroup_memory_bytes);
  auto missing = x.missing;
  missing.insert(missing.end(), also_missing.begin(), also_missing.end());
  fill_texts(out.initMissing(static_cast<unsigned>(missing.size())), missing);
}

} // namespace

std::vector<host_reporter::vci> host_reporter::sample_vcis(schema::PlaneStatus::Reader status,
                                                           std::int64_t now_ns) {
  static const auto ticks_per_s = static_cast<std::uint32_t>(sysconf(_SC_CLK_TCK));
  std::vector<vci> out;
  std::set<std::pair<std::uint64_t, std::uint32_t>> seen;
  std::map<std::uint32_t, vci_sample> sampled;
  std::map<std::uint64_t, std::string> names;
  for (auto volume : status.getVolumes())
    names[volume.getId()] = volume.getName().cStr();
  for (auto client : status.getClients()) {
    auto pid = client.getPid();
    // One VCI has many connections; a peer without a pid cannot be measured.
    if (pid == 0 || !seen.insert({client.getVolume(), pid}).second)
      continue;
    if (!sampled.contains(pid)) {
      auto got = vcis_.try_emplace(pid, pid, root_, ticks_per_s).first->second.sample(now_ns);
      if (!got)
        continue;
      sampled.emplace(pid, *std::move(got));
    }
    out.push_back({client.getVolume(), names[client.getVolume()], sampled.at(pid)});
  }
  std::erase_if(vcis_, [&](const auto& x) { return !sampled.contains(x.first); });
  return out;
}

packet<schema::HostReport> host_reporter::report(const packet<schema::PlaneStatus>* status,
                                                 const guests_seen& guests) {
  auto now_ns = clock_.monotonic_ns();
  auto machine = machine_.sample(now_ns);
  std::vector<vci> vcis;
  if (status != nullptr) {
    vcis = sample_vcis(status->read(), now_ns);
  } else {
    machine.missing.push_back("data plane");
    meter_.lost();
  }
  return packet<schema::HostReport>::make([&](auto root) {
    root.setHost(host_.c_str());
    root.setAtMs(clock_.wall_ms());
    fill(root.initSample(), machine);
    if (status == nullptr)
      return;
    root.setNbsr(meter_.measure(*status, now_ns).read());
    root.setPlane(status->read());
    auto list = root.initVcis(static_cast<unsigned>(vcis.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      fill(list[i], vcis[i].volume, vcis[i].sample, guests.missing);
      fill_guest(list[i], vcis[i].name, guests.samples);
    }
  });
}

} // namespace foreshift
