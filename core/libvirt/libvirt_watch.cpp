// SPDX-License-Identifier: Apache-2.0
#include "core/libvirt/libvirt_watch.hpp"

#ifdef FORESHIFT_LIBVIRT
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <span>
#endif

namespace foreshift {

#ifndef FORESHIFT_LIBVIRT

struct libvirt_watch::connection {};

result<guest_samples> libvirt_watch::sample() {
  return fault{errc::precondition, "this build is without libvirt"};
}

#else

namespace {

/// What a domain and one of its drives have used since it started.
struct totals {
  std::int64_t at_ns = 0;
  std::uint64_t cpu_ns = 0;
  std::uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
};

struct closer {
  void operator()(virConnectPtr x) const { virConnectClose(x); }
  void operator()(virDomainPtr x) const { virDomainFree(x); }
};
using domain_handle = std::unique_ptr<std::remove_pointer_t<virDomainPtr>, closer>;

std::string last_words() {
  auto why = virGetLastErrorMessage();
  return why ? why : "unknown error";
}

const char* name_of(unsigned char state) {
  constexpr const char* names[] = {"no state",      "running",  "blocked", "paused",
                                   "shutting down", "shut off", "crashed", "suspended"};
  return state < std::size(names) ? names[state] : "unknown";
}

std::uint64_t counted(long long x) {
  return x > 0 ? static_cast<std::uint64_t>(x) : 0; // -1: not told
}

double rate(std::uint64_t before, std::uint64_t now, std::int64_t span_ns) {
  if (now < before || span_ns <= 0)
    return 0;
  return static_cast<double>(now - before) * 1e9 / static_cast<double>(span_ns);
}

std::vector<domain_handle> domains_of(virConnectPtr at) {
  virDomainPtr* all = nullptr;
  auto count = virConnectListAllDomains(at, &all, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  std::vector<domain_handle> out;
  for (int i = 0; i < count; ++i)
    out.emplace_back(all[i]);
  std::free(all);
  return out;
}

} // namespace

struct libvirt_watch::connection {
  std::unique_ptr<std::remove_pointer_t<virConnectPtr>, closer> handle;
  std::map<std::pair<std::string, std::string>, totals> before; ///< By domain and volume.

  void add(virDomainPtr domain, std::int64_t now_ns, decltype(before)& after,
           guest_samples& out) const {
    virDomainInfo info{};
    auto name = virDomainGetName(domain);
    char* xml = virDomainGetXMLDesc(domain, 0);
    std::string description = xml ? xml : "";
    std::free(xml);
    if (!name || virDomainGetInfo(domain, &info) != 0)
      return; // it has just ended
    for (auto& disk : nbd_disks_in(description)) {
      virDomainBlockStatsStruct io{};
      bool told = virDomainBlockStats(domain, disk.target.c_str(), &io, sizeof io) == 0;
      totals now{now_ns, info.cpuTime, 0, 0, 0, 0};
      if (told)
        now = {now_ns,
               info.cpuTime,
               counted(io.rd_req),
               counted(io.wr_req),
               counted(io.rd_bytes),
               counted(io.wr_bytes)};
      guest_sample one;
      one.volume = disk.volume;
      one.source = "libvirt";
      one.domain = name;
      one.domain_state = name_of(info.state);
      one.memory_bytes = std::uint64_t{info.memory} * 1024;
      auto former = before.find({one.domain, disk.volume});
      if (former != before.end()) {
        auto& x = former->second;
        auto span = now_ns - x.at_ns;
        one.reads = rate(x.reads, now.reads, span);
        one.writes = rate(x.writes, now.writes, span);
        one.read_bytes = static_cast<std::uint64_t>(rate(x.read_bytes, now.read_bytes, span));
        one.write_bytes = static_cast<std::uint64_t>(rate(x.write_bytes, now.write_bytes, span));
        one.cpu_share = rate(x.cpu_ns, now.cpu_ns, span) / 1e9;
      }
      after[{one.domain, disk.volume}] = now;
      out.push_back(std::move(one));
    }
  }
};

result<guest_samples> libvirt_watch::sample() {
  static const bool ready = [] {
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {}); // it would print to standard error
    return virInitialize() == 0;
  }();
  if (!ready)
    return fault{errc::unreachable, "libvirt does not start: " + last_words()};
  if (at_ && virConnectIsAlive(at_->handle.get()) != 1)
    at_.reset();
  if (!at_) {
    auto opened = virConnectOpenReadOnly(uri_.c_str());
    if (!opened)
      return fault{errc::unreachable, "libvirt at " + uri_ + ": " + last_words()};
    at_ = std::make_unique<connection>();
    at_->handle.reset(opened);
  }
  decltype(at_->before) after;
  guest_samples out;
  auto now = clock_.monotonic_ns();
  for (auto& domain : domains_of(at_->handle.get()))
    at_->add(domain.get(), now, after, out);
  at_->before = std::move(after);
  return out;
}

#endif

libvirt_watch::libvirt_watch(std::string uri, const clock_source& clock)
    : uri_(std::move(uri)), clock_(clock) {}

libvirt_watch::~libvirt_watch() = default;

} // namespace foreshift
