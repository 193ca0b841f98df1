// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/lease/flip_machine.hpp"
#include "core/lease/loss_machine.hpp"
#include "core/lease/move_machine.hpp"
#include "core/lease/retire_machine.hpp"
#include "schemas/plane.capnp.h"
#include "tests/sim/ledger.hpp"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
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
                     std::vector<std::uint32_t> extents, bool resync = false);
  lease::finish retire(std::uint64_t volume, const std::string& host,
                       std::vector<std::uint32_t> extents);
  result<void> create(const volume_shape& shape);
  result<void> erase(std::uint64_t volume);

private:
  struct run {
    std::unique_ptr<lease::machine> what;
    std::uint64_t volume = 0;
    bool flips = false;
    bool loses = false;
    std::uint64_t move = 0;
    std::deque<lease::input> inbox;
    bool over = false;
  };
  static constexpr int misses_max = 3;
  /// What a killed process loses.
  struct memory {
    std::unique_ptr<store> keeper;
    std::unique_ptr<door::io_thread> io;
    std::map<std::string, std::unique_ptr<door::client>> doors;
    std::vector<std::shared_ptr<run>> runs;
    std::shared_ptr<run> section; ///< Between a map's commit and its adoption.
    std::map<std::uint64_t, int> misses;
    std::set<std::string> up; ///< Hosts whose data plane answered last.
    /// By volume and host: the map version that left it out, and when that was seen.
    std::map<std::pair<std::uint64_t, std::string>, std::pair<std::uint64_t, std::int64_t>>
        lost_since;
    std::map<std::uint64_t, std::map<std::string, std::uint64_t>> doubts; ///< By volume and host.
    std::set<std::uint64_t> returning; ///< Volumes with a batch of a lost host's under way.
  };

  lease::finish drive(const std::shared_ptr<run>& x);
  void perform(const std::shared_ptr<run>& x, const lease::send& what);
  void pull(const std::shared_ptr<run>& x, const lease::send& what);
  lease::input load(const std::shared_ptr<run>& x, const lease::load& what);
  result<lease::volume_facts> facts(std::uint64_t volume) const;
  bool busy(std::uint64_t volume, bool flips) const;
  bool moves_now(std::uint64_t move) const;
  bool losing(std::uint64_t volume) const;
  void cancel_moves(std::uint64_t volume);
  void lose(const lease::loss_request& what, const char* why);
  void hear(std::uint64_t volume, const std::string& host, schema::PlaneVolume::Reader row);
  void hear_suspects(const std::string& reporter);
  void bring_back(const lease::volume_facts& now);
  void forget_erased();
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
