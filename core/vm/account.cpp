// SPDX-License-Identifier: Apache-2.0
#include "core/vm/account.hpp"

#include <algorithm>

namespace foreshift {

namespace {

constexpr unsigned phases_max = 16;

} // namespace

void encode(const vm_promise& x, schema::VmPromise::Builder out) {
  out.setBytes(x.bytes);
  out.setRamBytes(x.ram_bytes);
  out.setDurationMs(x.duration_ms);
  out.setBlackoutUs(x.blackout_us);
  out.setBlackoutLowUs(x.blackout_low_us);
  out.setBlackoutHighUs(x.blackout_high_us);
  out.setBasis(x.basis);
}

vm_promise decode(schema::VmPromise::Reader in) {
  return {in.getBytes(),         in.getRamBytes(),       in.getDurationMs(), in.getBlackoutUs(),
          in.getBlackoutLowUs(), in.getBlackoutHighUs(), in.getBasis()};
}

void encode(const vm_account& x, schema::VmAccount::Builder out) {
  auto rows = out.initPhases(static_cast<unsigned>(x.phases.size()));
  for (unsigned i = 0; i < x.phases.size(); ++i) {
    rows[i].setName(x.phases[i].name.c_str());
    rows[i].setStartMs(x.phases[i].start_ms);
    rows[i].setDurationUs(x.phases[i].duration_us);
  }
  out.setRamBytes(x.ram_bytes);
  out.setTotalUs(x.total_us);
  out.setBlackoutUs(x.blackout_us);
  out.setSwitchUs(x.switch_us);
  out.setOutcome(x.outcome.c_str());
}

vm_account decode(schema::VmAccount::Reader in) {
  vm_account x;
  auto rows = in.getPhases();
  for (unsigned i = 0; i < std::min(rows.size(), phases_max); ++i)
    x.phases.push_back({rows[i].getName().cStr(), rows[i].getStartMs(), rows[i].getDurationUs()});
  x.ram_bytes = in.getRamBytes();
  x.total_us = in.getTotalUs();
  x.blackout_us = in.getBlackoutUs();
  x.switch_us = in.getSwitchUs();
  x.outcome = in.getOutcome().cStr();
  return x;
}

} // namespace foreshift
