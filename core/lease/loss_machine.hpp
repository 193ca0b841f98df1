// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/map_machine.hpp"

#include <cstdint>
#include <optional>

namespace foreshift::lease {

struct loss_request {
  std::uint64_t volume = 0;
  std::string host; ///< Whose replicas failed.
  std::uint64_t epoch =
      0; ///< Of the primary that waits for it; 0: nobody does (an operator asked).
  /// Not 0: the host is well, but doubts what it has, since its machine restarted. It keeps what no
  /// other host has, and is told to go on with that.
  std::uint64_t doubt = 0;
};

/// Leaves a failed host out of a volume's map, so that writes may be acknowledged without it:
///
///   watch (other hosts in sync) -> store txn: map without the host -> adopt (primary)
///
/// The primary holds its writes until the adoption; the transaction is the durable decision before
/// it. Fails with `precondition`, and changes nothing, when the host has the only replica of an
/// extent. Idempotent: a host that is left out already is only made known to the primary again. A
/// crash before the transaction leaves watches, which the next removal does without; one after it
/// is made good when the primary complains again.
///
/// A host that doubts its replica is told, after the adoption, that it may be trusted again: what
/// it might answer wrongly nobody asks it any more. A crash before that is made good when the host
/// says once more that it doubts.
class loss_machine final : public map_machine {
public:
  explicit loss_machine(loss_request request) : request_(std::move(request)) {}

private:
  script<finish> run() override;
  std::optional<fault> objection() const;
  script<result<void>> decide();
  script<result<void>> tell_primary();

  const loss_request request_;
  std::optional<volume_facts> facts_;
};

} // namespace foreshift::lease
