// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/map_machine.hpp"

#include <cstdint>
#include <optional>

namespace foreshift::lease {

struct retire_request {
  std::uint64_t volume = 0;
  std::string host; ///< Empty: only finish what the map already notes as retiring.
  std::vector<std::uint32_t> extents;
  bool gone = false; ///< `host` is gone for good: what it should give up is only forgotten.
};

/// Takes surplus replicas away, and what a lost host need not get back because others hold it now:
///
///   store: map without the host, noted as retiring -> adopt (primary; drains its readers)
///   -> retire (the host frees the space) -> store: map without the note
///
/// Never below the replication factor: extents that have no surplus are left alone; nor where all
/// that would be left does not answer, doubts what it has or has failed (`precondition`). Resumable
/// at any point, because the map itself carries the note. A cancel stops between steps; the note
/// remains, also of hosts that cannot be reached now.
class retire_machine final : public map_machine {
public:
  explicit retire_machine(retire_request request) : request_(std::move(request)) {}

private:
  script<finish> run() override;
  script<result<void>> note_retiring();
  script<result<void>> check_others(const placement_map& next, std::vector<std::uint32_t> go);
  script<result<void>> drain_readers();
  script<result<void>> free_at(std::string host, std::vector<std::uint32_t> extents);
  script<result<void>> put_map(placement_map next);
  std::vector<std::uint32_t> surplus_of_request() const;
  std::vector<std::uint32_t> replaced_of_request() const;

  const retire_request request_;
  std::optional<volume_facts> facts_;
};

} // namespace foreshift::lease
