// SPDX-License-Identifier: Apache-2.0
#include "agents/coordinator/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace foreshift {

namespace {

using labels = std::vector<std::pair<std::string, std::string>>;

/// Families in the order in which they are first named.
class metric_list {
public:
  void gauge(const char* name, const char* help, double value, const labels& of = {}) {
    add(prometheus::MetricType::Gauge, name, help, of).gauge.value = value;
  }

  void counter(const char* name, const char* help, double value, const labels& of = {}) {
    add(prometheus::MetricType::Counter, name, help, of).counter.value = value;
  }

  std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

private:
  prometheus::ClientMetric& add(prometheus::MetricType type, const char* name, const char* help,
                                const labels& of) {
    auto at = std::find_if(families_.begin(), families_.end(),
                           [&](const auto& x) { return x.name == name; });
    if (at == families_.end()) {
      families_.emplace_back();
      at = std::prev(families_.end());
      at->name = name;
      at->help = help;
      at->type = type;
    }
    auto& made = at->metric.emplace_back();
    for (const auto& [key, value] : of)
      made.label.push_back({key, value});
    return made;
  }

  std::vector<prometheus::MetricFamily> families_;
};

double number(std::uint64_t x) {
  return static_cast<double>(x);
}

void add_cell(metric_list& out, schema::Status::Reader status) {
  out.gauge("foreshift_healthy", "1 if the cell has no problem that an operator should look at.",
            status.getHealth() == "ok" ? 1 : 0);
  out.gauge("foreshift_problems", "Problems that `foreshift status` names.",
            status.getProblems().size());
  out.gauge("foreshift_tasks_running", "Migrations, flips, drains and the like under way.",
            status.getTasksRunning());
  out.gauge("foreshift_move_bytes_per_second", "Extents copied in the background.",
            number(status.getMoveBytesPerSecond()));
  auto speculation = status.getSpeculation();
  out.counter("foreshift_speculative_bytes_total", "Copied to hosts where volumes may go.",
              number(speculation.getCopiedBytes()));
  out.counter("foreshift_speculative_used_bytes_total", "Of that, where the volume then went.",
              number(speculation.getUsedBytes()));
  out.counter("foreshift_speculative_wasted_bytes_total", "Of that, freed before it did.",
              number(speculation.getWastedBytes()));
  out.gauge("foreshift_up_seconds", "Since the coordinator started.",
            number(status.getUpMs()) / 1000);
}

/// One data plane's share in one volume.
void add_plane_volume(metric_list& out, const std::string& host, schema::PlaneVolume::Reader x) {
  labels of{{"host", host}, {"volume", x.getName().cStr()}};
  auto io = x.getIo();
  out.counter("foreshift_reads_total", "Clients' reads.", number(io.getReads()), of);
  out.counter("foreshift_writes_total", "Clients' writes.", number(io.getWrites()), of);
  out.counter("foreshift_read_bytes_total", "Bytes clients read.", number(io.getReadBytes()), of);
  out.counter("foreshift_written_bytes_total", "Bytes clients wrote.", number(io.getWriteBytes()),
              of);
  out.counter("foreshift_io_errors_total", "Requests that clients saw fail.",
              number(io.getErrors()), of);
  out.counter("foreshift_reads_local_total", "Clients' reads served wholly by their own host.",
              number(x.getReadsLocal()), of);
  out.counter("foreshift_corrupt_blocks_total", "Blocks found not to match their checksum.",
              number(x.getCorrupt()), of);
  out.counter("foreshift_repaired_blocks_total", "Blocks rewritten from a good copy.",
              number(x.getRepaired()), of);
  out.counter("foreshift_lost_blocks_total", "Blocks that no good copy was found of.",
              number(x.getLost()), of);
  out.gauge("foreshift_stored_bytes", "Disk space that the volume takes at the host.",
            number(x.getBytesPresent()), of);
}

void add_host(metric_list& out, schema::Host::Reader host) {
  std::string name = host.getAddress().getName().cStr();
  labels of{{"host", name}};
  out.gauge("foreshift_host_up", "1 if the host reports.", host.getUp() ? 1 : 0, of);
  out.gauge("foreshift_host_draining", "1 if the host gets nothing new.",
            host.getDraining() ? 1 : 0, of);
  out.gauge("foreshift_host_extents", "Extents stored at the host.", number(host.getExtents()), of);
  auto nbsr = host.getNbsr();
  out.gauge("foreshift_host_free_bytes", "Space that new copies may use.",
            number(nbsr.getDisk().getFreeBytes()), of);
  out.gauge("foreshift_host_read_iops", "Reads a second that the host served lately.",
            nbsr.getReadIops(), of);
  out.gauge("foreshift_host_write_iops", "Writes a second that the host served lately.",
            nbsr.getWriteIops(), of);
  out.gauge("foreshift_host_read_p99_seconds", "Time within which 99 % of reads ended lately.",
            nbsr.getReadP99Us() / 1e6, of);
  out.gauge("foreshift_host_write_p99_seconds", "Time within which 99 % of writes ended lately.",
            nbsr.getWriteP99Us() / 1e6, of);
  out.gauge("foreshift_host_cpu_share", "CPU in use, 0 to 1 of all cores.",
            host.getSample().getCpuShare(), of);
  for (auto volume : host.getPlane().getVolumes())
    add_plane_volume(out, name, volume);
}

void add_volume(metric_list& out, schema::VolumeInfo::Reader volume) {
  labels of{{"volume", volume.getSpec().getName().cStr()}};
  out.gauge("foreshift_volume_size_bytes", "What clients see.",
            number(volume.getSpec().getSizeBytes()), of);
  out.gauge("foreshift_volume_epoch", "Grows by one with every flip.",
            number(volume.getLease().getEpoch()), of);
  out.gauge("foreshift_volume_degraded_extents",
            "Extents with fewer replicas in sync than asked for.", number(volume.getDegraded()),
            of);
}

/// Promises of VMs' migrations, among the tasks that are still known.
void add_calibration(metric_list& out, schema::Calibration::Reader x) {
  out.gauge("foreshift_vm_promises", "Migrations of VMs with a promised blackout.",
            x.getMigrations());
  out.gauge("foreshift_vm_promises_kept", "Those whose blackout was within the promise.",
            x.getWithin());
  out.gauge("foreshift_vm_blackout_seconds", "Median blackout of migrated VMs.",
            number(x.getBlackoutUs()) / 1e6);
  out.gauge("foreshift_vm_flip_seconds", "Median share of the flip in it.",
            number(x.getSwitchUs()) / 1e6);
}

using reply = std::function<void(result<http::page>)>;

/// Questions, one after the other; the first that fails is the page's failure.
template <class Request, class Reply, class Next>
void ask(const door::service& service, const door::peer& from, const reply& answer, Next next) {
  service(door::wrap(packet<Request>{}), from,
          [answer, next = std::move(next)](result<door::envelope> got) {
            auto typed = got ? door::unwrap<Reply>(*got) : result<packet<Reply>>{got.error()};
            if (typed)
              next(*typed);
            else
              answer(typed.error());
          });
}

} // namespace

std::string metrics_text(schema::Status::Reader status, schema::Hosts::Reader hosts,
                         schema::Volumes::Reader volumes, schema::Calibration::Reader promises) {
  metric_list out;
  add_cell(out, status);
  for (auto host : hosts.getHosts())
    add_host(out, host);
  for (auto volume : volumes.getVolumes())
    add_volume(out, volume);
  add_calibration(out, promises);
  return out.text();
}

http::page_maker metrics_page(door::service service) {
  return [service](const door::peer& from, reply answer) {
    ask<schema::StatusGet, schema::Status>(service, from, answer, [=](const auto& status) {
      ask<schema::HostList, schema::Hosts>(service, from, answer, [=](const auto& hosts) {
        ask<schema::VolumeList, schema::Volumes>(service, from, answer, [=](const auto& volumes) {
          ask<schema::CalibrationGet, schema::Calibration>(
              service, from, answer, [=](const auto& promises) {
                answer(http::page{
                    "text/plain; version=0.0.4; charset=utf-8",
                    metrics_text(status.read(), hosts.read(), volumes.read(), promises.read())});
              });
        });
      });
    });
  };
}

} // namespace foreshift
