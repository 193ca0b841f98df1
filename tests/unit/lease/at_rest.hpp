// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/machine.hpp"
#include "tests/unit/lease/fake_hosts.hpp"

namespace foreshift::test {

/// The record and the hosts say the same of the lease, and nothing is under way. What each host
/// must hold is the caller's to check.
void check_at_rest(const lease::volume_facts& now, fake_hosts& hosts);

} // namespace foreshift::test
