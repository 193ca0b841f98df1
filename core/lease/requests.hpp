// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/lease/records.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace foreshift::lease {

/// The data plane's verbs as envelopes, filled from what the store says.
using extents_view = std::span<const std::uint32_t>;

/// `expect`: so long clients may connect there although the volume is attached elsewhere.
/// `implicit`: and their first write asks for the lease.
door::envelope configure(const volume_facts& facts, std::int64_t created_ms = 0,
                         std::chrono::milliseconds expect = std::chrono::milliseconds{0},
                         bool implicit = false);
door::envelope forget(std::uint64_t volume);
door::envelope prepare(const flip_intent& intent, std::uint64_t volume);
door::envelope standby(const volume_facts& facts, std::uint64_t epoch);
door::envelope takeover(const volume_facts& facts, const flip_intent& intent,
                        std::chrono::milliseconds timeout, bool forced,
                        std::chrono::milliseconds quiet = std::chrono::milliseconds{0});
door::envelope drain(std::uint64_t volume, std::uint64_t epoch);
/// Without a takeover: nobody serves at that epoch; it only ends the earlier ones.
door::envelope promote(std::uint64_t volume, std::uint64_t epoch, const std::string& holder);
door::envelope release(std::uint64_t volume, std::uint64_t epoch);
door::envelope plane_status(std::uint64_t volume);
door::envelope adopt(const volume_facts& facts, extents_view settle);

door::envelope stage(const move_record& move);
door::envelope mirror(const volume_facts& facts, const move_record& move, bool on);
/// `changed`: of a resync, what was written while the destination was out.
door::envelope agent_move(const volume_facts& facts, const move_record& move,
                          std::uint64_t rate_bytes, const roaring::Roaring& changed);
door::envelope verify(const move_record& move);
door::envelope digest(const move_record& move);
door::envelope commit_staged(const move_record& move);
door::envelope abort_staged(std::uint64_t volume, std::uint64_t move);
door::envelope watch(std::uint64_t volume, std::uint64_t since);
door::envelope unwatch(std::uint64_t volume, std::uint64_t since);
door::envelope trust(std::uint64_t volume, std::uint64_t doubt);
door::envelope changed_get(std::uint64_t volume, std::uint64_t since);
door::envelope inventory_get(std::uint64_t volume);
door::envelope retire(std::uint64_t volume, std::uint64_t version, extents_view extents);

/// The notes of a PlaneChanged reply; nothing if they are missing or not complete.
std::optional<roaring::Roaring> decode_changed(const result<door::envelope>& reply,
                                               const volume_shape& shape);

/// Of a PlaneAdopt: whether the primary routes by that map, or already by a newer one.
inline bool adopted(const result<door::envelope>& what) {
  return what || what.error().code == errc::precondition;
}

/// Whether a PlaneStatus reply says that its host's replica of `volume` answers nothing: it has
/// failed, or the machine restarted.
bool doubts(const result<door::envelope>& status, std::uint64_t volume);

/// Names its host's doubt; 0: it has none, or is silent.
std::uint64_t doubt_of(const result<door::envelope>& status, std::uint64_t volume);

/// Whether a PlaneStatus reply says that its host is primary of `volume` at `epoch`.
bool says_primary(const result<door::envelope>& status, std::uint64_t volume, std::uint64_t epoch);

} // namespace foreshift::lease
