// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schemas/api.capnp.h"
#include "schemas/migration.capnp.h"

#include <cstdint>
#include <string>
#include <vector>

namespace foreshift {

/// What is said of a VM's migration before it begins (see VmPromise).
struct vm_promise {
  std::uint64_t bytes = 0;
  std::uint64_t ram_bytes = 0;
  std::uint64_t duration_ms = 0;
  std::uint64_t blackout_us = 0, blackout_low_us = 0, blackout_high_us = 0;
  std::uint32_t basis = 0; ///< Past migrations it rests on; 0: no blackout is promised.

  friend bool operator==(const vm_promise&, const vm_promise&) = default;
};

struct vm_phase {
  std::string name;
  std::int64_t start_ms = 0; ///< Wall clock.
  std::uint64_t duration_us = 0;

  friend bool operator==(const vm_phase&, const vm_phase&) = default;
};

/// What came true (see VmAccount).
struct vm_account {
  std::vector<vm_phase> phases;
  std::uint64_t ram_bytes = 0;
  std::uint64_t total_us = 0;
  std::uint64_t blackout_us = 0;
  std::uint64_t switch_us = 0;
  std::string outcome;

  friend bool operator==(const vm_account&, const vm_account&) = default;
};

void encode(const vm_promise& x, schema::VmPromise::Builder out);
vm_promise decode(schema::VmPromise::Reader in);
void encode(const vm_account& x, schema::VmAccount::Builder out);
/// Keeps at most 16 phases of a stranger's account.
vm_account decode(schema::VmAccount::Reader in);

} // namespace foreshift
