// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/vm/vm_ports.hpp"

namespace foreshift {

/// A QEMU (7.2 or later) behind its monitor.
class qmp_qemu final : public qemu_port {
public:
  /// `name`: for faults: "the source", "the destination".
  qmp_qemu(std::unique_ptr<qmp::client> monitor, std::string name)
      : monitor_(std::move(monitor)), name_(std::move(name)) {}

  result<guest_state> guest() override;
  result<stream_view> stream() override;
  result<std::uint64_t> ram_bytes() override;
  result<void> prepare_source(const stream_options& how) override;
  result<void> prepare_destination() override;
  result<std::string> accept(const std::string& uri) override;
  result<void> begin(const std::string& uri) override;
  result<void> set_bandwidth(std::uint64_t bytes) override;
  void ask_to_proceed() override;
  result<void> proceed() override;
  result<void> cancel() override;
  result<void> resume() override;
  result<void> pause() override;
  result<void> quit() override;
  result<disk_totals> disks() override;
  result<std::optional<qmp::heard>> next_event(std::chrono::milliseconds timeout) override;

private:
  result<qmp::reply> ask(const std::string& command);
  result<qmp::reply> ask(const std::string& command, const nlohmann::json& arguments);
  result<void> tell(const std::string& command);
  fault named(const fault& why) const;

  const std::unique_ptr<qmp::client> monitor_;
  const std::string name_;
  bool asked_to_proceed_ = false;
};

/// A QEMU whose monitor cannot be reached: every call fails alike.
class gone_qemu final : public qemu_port {
public:
  explicit gone_qemu(fault why) : why_(std::move(why)) {}

  result<guest_state> guest() override { return why_; }
  result<stream_view> stream() override { return why_; }
  result<std::uint64_t> ram_bytes() override { return why_; }
  result<void> prepare_source(const stream_options&) override { return why_; }
  result<void> prepare_destination() override { return why_; }
  result<std::string> accept(const std::string&) override { return why_; }
  result<void> begin(const std::string&) override { return why_; }
  result<void> set_bandwidth(std::uint64_t) override { return why_; }
  void ask_to_proceed() override {}
  result<void> proceed() override { return why_; }
  result<void> cancel() override { return why_; }
  result<void> resume() override { return why_; }
  result<void> pause() override { return why_; }
  result<void> quit() override { return why_; }
  result<disk_totals> disks() override { return why_; }
  result<std::optional<qmp::heard>> next_event(std::chrono::milliseconds) override { return why_; }

private:
  const fault why_;
};

/// QEMU's own words, as `query-status` and `query-migrate` say them.
guest_state guest_state_of(std::string_view word);
stream_state stream_state_of(std::string_view word);

} // namespace foreshift
