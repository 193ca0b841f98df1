// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/lease/flip_machine.hpp"
#include "core/lease/move_machine.hpp"
#include "core/lease/retire_machine.hpp"
#include "tests/sim/ledger.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace foreshift::sim {

/// The coordinator's process: the product's lease machines in a shell that follows the conductor's
/// rules (one flip a volume, flips end moves first, one map section, healing once a second).
/// Everything is forgotten when the process is killed; `start` begins again from the ledger.
class coordinator {
public:
  coordinator(ledger& records, std::vector<std::string> hosts);

  void start();
  void kill();
  bool up() const { return process_ != nullptr && process_->alive; }
  process* running() const { return process_; }

  /// Call these on a thread of its process; each returns how the run ended.
  lease::finish flip(std::uint64_t volume, const std::string& to, bool forced);
  lease::finish move(std::uint64_t volume, const std::string& from, const std::string& to,
                     std::vector<std::uint32_t> extents);
  lease::finish retire(std::uint64_t volume, const std::string& host,
                       std::vector<std::uint32_t> extents);
  result<void> create(const volume_shape& shape);

private:
  struct run {
    std::unique_ptr<lease::machine> what;
    std::uint64_t volume = 0;
    bool flips = false;
    std::uint64_t move = 0;
    std::deque<lease::input> inbox;
    bool over = false;
  };
  static constexpr int misses_max = 3;
  struct memory; ///< What a killed process loses.

  lease::finish drive(const std::shared_ptr<run>& x);
  void perform(const std::shared_ptr<run>& x, const lease::send& what);
  void pull(const std::shared_ptr<run>& x, const lease::send& what);
  lease::input load(const std::shared_ptr<run>& x, const lease::load& what);
  result<lease::volume_facts> facts(std::uint64_t volume) const;
  bool busy(std::uint64_t volume, bool flips) const;
  void heal_for_ever();
  void heal(const lease::volume_facts& now);
  void inspect(const lease::volume_facts& now);
  void tell(const std::string& host, door::envelope request);
  door::client& door_of(const std::string& host);
  void begin(std::shared_ptr<run> x);
  int& misses_of(std::uint64_t volume); ///< Reports in a row without the lease it should have.

  ledger& records_;
  const std::vector<std::string> hosts_;
  std::uint64_t tokens_ = 0;
  std::uint64_t ids_ = 0; ///< Tasks and moves; reserved ahead in the product, so never given twice.
  process* process_ = nullptr;
  std::shared_ptr<memory> memory_;
};

} // namespace foreshift::sim
