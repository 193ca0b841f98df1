// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agents/cli/commands.hpp"
#include "core/vm/vm_ports.hpp"

#include <chrono>
#include <optional>

namespace foreshift::cli {

/// One volume of a VM: its held migration at the coordinator.
class vm_volume final : public volume_port {
public:
  vm_volume(session& s, vm_clock& clock, const migrate_request& what, std::string volume)
      : session_(s), clock_(clock), what_(what), name_(std::move(volume)) {}

  /// Takes up the migration that a killed run left; without one, only the lease is looked at.
  result<void> resume();
  std::uint64_t task() const { return task_; }

  std::string name() const override { return name_; }
  result<void> begin(std::uint64_t ram_bytes, std::uint64_t bandwidth_bytes) override;
  result<bool> ready() override;
  void ask_to_arm() override;
  result<bool> armed() override;
  void ask_to_take() override;
  result<take_times> take() override;
  result<void> keep(const vm_account& account) override;
  result<void> give_back(const vm_account& account) override;

private:
  using answer = result<packet<schema::Task>>;
  packet<schema::MigrateStep> order(schema::MigrateStage stage, const vm_account& account) const;
  answer step(schema::MigrateStage stage, const vm_account& account);
  result<std::string> holder();

  session& session_;
  vm_clock& clock_;
  const migrate_request& what_;
  const std::string name_;
  std::string source_;
  std::string phase_; ///< Last said.
  std::uint64_t task_ = 0;
  std::future<answer> asked_; ///< To be armed, then for the takeover.
  std::optional<std::chrono::steady_clock::time_point> arm_until_; ///< While nobody answers.
};

/// "promised: 12.0 MiB of extents and 192 MiB of RAM in 2.1 s, blackout 41 ms (20 to 80)".
std::string promise_line(schema::VmPromise::Reader x);

} // namespace foreshift::cli
