// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/map_machine.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace foreshift::lease {

struct flip_request {
  std::uint64_t task = 0; ///< Id of the intent; grown, never reused.
  std::uint64_t volume = 0;
  std::string to;        ///< Next holder; empty: detach.
  bool forced = false;   ///< Go on without a source and replicas that cannot be reached.
  bool reattach = false; ///< `to` is the holder whose data plane lost the lease: promote it afresh.
  std::chrono::milliseconds timeout{10'000}; ///< Of the takeover.
  /// A VM's: listens for `go` between standby and takeover (phase "armed"), and for `keep` or
  /// `back` before the source is released (phase "settle"). Until then the source holds its
  /// clients' requests and can become primary again.
  bool held = false;
  /// Above 0, a client's at the destination (the implicit flip): the source gives the lease away
  /// only when its clients have asked for nothing so long. While they do, it is asked again for
  /// `timeout`; then the flip ends with `busy`, and the source has served all the time.
  std::chrono::milliseconds quiet{0};
};

/// Between two questions to a source whose clients still send requests.
inline constexpr std::chrono::milliseconds yield_pause{20};

/// How long a held flip listens. Without a `go` the source serves on; without a verdict the
/// destination keeps the lease, for a guest may be running there.
inline constexpr std::chrono::milliseconds armed_span{900'000};
inline constexpr std::chrono::milliseconds settle_span{120'000};

/// Changes who holds a volume's lease: attach (nobody holds it), flip, detach, re-attach, and, when
/// the store already has this task's intent, whatever a crashed coordinator left of them.
///
///   store PREPARE -> configure, prepare (all hosts of the seal) -> standby (destination)
///   -> takeover (one message: drain, promote, serve) -> store COMMIT -> release (source)
///
/// A takeover that answers `busy` has drained and promoted nothing: the source would not yield.
/// A failure before the takeover was sent leaves the source undisturbed. From then on the
/// destination is asked: primary at that epoch means COMMIT; anything else means a flip forward to
/// the source at the next epoch, or, without a source, no holder. Phases noted: prepare, takeover,
/// commit, rollback.
/// A dead source must not keep its volume: a forced flip, a roll-back and a re-attachment leave the
/// hosts out of the map that they cannot reach, by the same durable decision as any removal, before
/// anybody is promoted, a held one at the first silence; unless one of them has the only replica of
/// something. So does a forced
/// detach whose holder cannot be drained, when it fences that by an epoch of nobody's.
class flip_machine final : public map_machine {
public:
  explicit flip_machine(flip_request request) : request_(std::move(request)) {}

private:
  static constexpr int ask_attempts = 3;

  script<finish> run() override;
  script<finish> detach(); // these three: flip_detach.cpp
  script<finish> drain_and_drop();
  script<result<void>> drain_or_fence(lease_record former);
  script<finish> take(flip_intent intent);
  script<result<void>> await_go();
  script<result<flip_times>> ask_takeover(flip_intent intent);
  script<result<door::envelope>> ask_status(std::string host);
  script<finish> resolve(flip_intent intent, fault why);
  script<finish> commit_to(flip_intent intent, flip_times times);
  script<finish> forward_to(std::string host, std::optional<fault> why);
  script<finish> undo(flip_intent intent, fault why);
  script<finish> give_up(flip_intent intent, fault why);
  script<finish> drop_intent(fault why);
  script<result<void>> ready_hosts(flip_intent intent, int attempts, bool leaving_out);
  script<result<std::map<std::string, fault>>> call_hosts(flip_intent intent, int attempts);
  script<result<void>> put_lease(lease_record next);
  bool yielding() const { return request_.quiet.count() > 0; }
  std::optional<fault> objection() const;
  finish ended(std::optional<fault> why) const;

  const flip_request request_;
  std::optional<volume_facts> facts_;
};

} // namespace foreshift::lease
