// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/watcher.hpp"

#include "core/base/log.hpp"
#include "core/libvirt/libvirt_watch.hpp"
#include "core/vm/qmp_watch.hpp"

namespace foreshift {

std::vector<guest_source> guest_sources(const std::string& qmp_directory,
                                        const std::string& libvirt_uri, const clock_source& clock) {
  std::vector<guest_source> out;
  if (!qmp_directory.empty())
    out.push_back({"qmp", [monitors = std::make_shared<qmp_watch>(qmp_directory, clock)] {
                     return result<guest_samples>{monitors->sample()};
                   }});
  if (!libvirt_uri.empty())
    out.push_back({"libvirt", [libvirt = std::make_shared<libvirt_watch>(libvirt_uri, clock)] {
                     return libvirt->sample();
                   }});
  return out;
}

watcher_state::watcher_state(interface::pointer self, collector_actor collector,
                             std::vector<guest_source> sources, watcher_options options)
    : self_(self), collector_(std::move(collector)), sources_(std::move(sources)),
      options_(options), silent_(sources_.size(), false) {}

watcher_actor::behavior_type watcher_state::make_behavior() {
  self_->send(self_, tick_alarm{});
  return {[this](tick_alarm) {
    look();
    compat::send_later(self_, self_, options_.interval, tick_alarm{});
  }};
}

void watcher_state::look() {
  auto all = std::make_shared<guests_seen>();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    auto got = sources_[i].sample();
    if (got)
      all->samples.insert(all->samples.end(), got->begin(), got->end());
    else
      all->missing.push_back(sources_[i].name);
    if (!got && !silent_[i])
      slog::warn("no metrics of VMs from {}: {}", sources_[i].name, got.error().detail);
    silent_[i] = !got;
  }
  self_->send(collector_, guests_ptr{std::move(all)});
}

} // namespace foreshift
