// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/options.hpp"
#include "core/base/clock.hpp"
#include "core/lease/migration.hpp"

#include <set>

namespace foreshift::control {

struct migration_order {
  std::uint64_t task = 0;
  std::uint64_t volume = 0;
  std::string to;
  double gate = 0.9;
  bool preposition = true;
  bool held = false; ///< Keeps the gate met until `run_arm`, and flips then.
  std::chrono::milliseconds timeout{60'000};
  std::uint32_t extent_bytes = 1u << 20;
};

/// Copies what the destination will need, batch by batch, until the gate is met; then asks for the
/// flip.
class migrator_state {
public:
  using interface = migrator_actor;

  static constexpr const char* name = "migrator";

  migrator_state(interface::pointer self, conductor_actor conductor, board_actor board,
                 const clock_source& clock, policy rules, migration_order order);

  interface::behavior_type make_behavior();

private:
  void look();
  void decide(const survey& now);
  void copy(const planned_move& first);
  void size_batches(std::size_t copied, std::int64_t begun_ns);
  void batch_over(const std::vector<std::uint32_t>& extents, const lease::finish& how);
  void flip();
  void stop(fault why);
  void end(finish_ptr flipped, std::optional<fault> why);
  void tell(std::string phase, const survey& now);
  lease::migration_view view(const survey& now) const;

  interface::pointer self_;
  const conductor_actor conductor_;
  const board_actor board_;
  const clock_source& clock_;
  const policy rules_;
  const migration_order order_;
  const std::int64_t began_ns_;
  std::set<std::uint32_t> in_flight_;
  unsigned batches_ = 0;
  std::size_t batch_extents_ = 16; ///< Of the next batch.
  std::uint64_t bytes_moved_ = 0;
  std::optional<fault> batch_fault_;
  unsigned faults_in_row_ = 0;
  std::optional<fault> stopping_;
  bool looking_ = false;
  bool flipping_ = false;
  bool canceled_ = false;
  bool ready_ = false; ///< The gate has been met; what is missing later is copied, not waited for.
  bool armed_ = false;
};

using migrator = hosted<migrator_state>;

} // namespace foreshift::control
