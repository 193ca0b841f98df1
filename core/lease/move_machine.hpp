// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/map_machine.hpp"

#include <cstdint>
#include <optional>

namespace foreshift::lease {

struct move_request {
  std::uint64_t id = 0; ///< Move id; grown, never reused.
  std::uint64_t volume = 0;
  std::string source, destination;
  std::vector<std::uint32_t> extents;
  std::uint64_t rate_bytes = 0;               ///< Per second; 0: the destination's own limit.
  std::chrono::milliseconds timeout{600'000}; ///< Of the copying.
  bool resync = false; ///< `destination` was left out of the map and has these extents to get back.
};

/// Adds one host to the in-sync set of a batch of extents (add before remove; nothing is removed
/// here):
///
///   store record -> stage (destination) -> mirror on (primary) -> pull (destination) -> verify
///   -> store txn: map names the destination, record committed -> commit (destination)
///   -> adopt (primary) -> mirror off -> record erased
///
/// A volume that nobody holds needs no mirror and no adoption; both sides' digests are compared.
/// A resync differs in two steps: the primary first confirms a map without the destination, and the
/// destination keeps what it had and is told, once its mirror is on, what has changed meanwhile.
/// Any failure before the transaction aborts; after it the machine only goes forward, also when it
/// is built from the stored record of a crashed coordinator (`resume`), but for one case: a
/// destination that says it can never commit is taken out of the map again, or is lost once more.
class move_machine final : public map_machine {
public:
  explicit move_machine(move_request request);
  static std::unique_ptr<move_machine> resume(const move_record& record);

private:
  static constexpr int abort_attempts = 3;
  static constexpr int store_attempts = 8;

  script<finish> run() override;
  script<result<void>> begin();
  script<result<void>> copy();
  script<result<void>> prepare_copy();
  script<roaring::Roaring> collect_changed();
  script<result<void>> check();
  script<result<void>> publish();
  script<finish> forward();
  script<bool> destination_lost();
  script<finish> withdraw(fault why); // move_withdraw.cpp
  script<finish> abort(fault why);
  script<finish> forget(fault why);
  script<result<void>> erase_record();
  script<result<void>> adopt_everywhere();
  bool held() const { return !facts_->lease.holder.empty(); }
  finish ended(std::optional<fault> why) const;

  const move_request request_;
  const bool resumed_ = false;
  move_record record_;
  std::optional<volume_facts> facts_;
  std::uint64_t lease_revision_ = 0; ///< Under which the record was written.
  std::uint64_t bytes_ = 0;
  std::uint64_t skipped_ = 0;

  explicit move_machine(const move_record& record);
};

} // namespace foreshift::lease
