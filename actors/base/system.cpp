// SPDX-License-Identifier: Apache-2.0
#include "actors/base/system.hpp"

#include "actors/base/errors.hpp"

#include <caf/message.hpp>

#include <algorithm>
#include <thread>

namespace foreshift {

namespace {

std::string render_fault(std::uint8_t code, caf::atom_value, const caf::message& context) {
  return to_string(to_fault({code, compat::fault_category, context}));
}

} // namespace

actor_config::actor_config(std::size_t threads) {
  if (threads == 0)
    threads = std::max(2u, std::thread::hardware_concurrency());
  // The default, work stealing, sleeps between polls and costs hundreds of microseconds a message.
  compat::set_scheduler(*this, "sharing");
  set("scheduler.max-threads", threads);
  add_error_category(compat::fault_category, render_fault);
}

} // namespace foreshift
