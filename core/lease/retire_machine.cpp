// SPDX-License-Identifier: Apache-2.0
#include "core/lease/retire_machine.hpp"

#include "core/base/planted.hpp"
#include "core/lease/replicas.hpp"
#include "core/lease/requests.hpp"

#include <algorithm>

namespace foreshift::lease {

namespace {

constexpr int attempts = 3;

finish ended(std::optional<fault> why) {
  finish end;
  end.resume_later = why.has_value();
  end.why = std::move(why);
  return end;
}

} // namespace

script<finish> retire_machine::run() {
  auto seen = co_await read(load_kind::enter);
  if (!seen)
    co_return ended(seen.error());
  facts_ = *std::move(seen);
  if (canceled())
    co_return ended(fault{errc::canceled, "canceled"});
  if (facts_->lease.prepared.id != 0)
    co_return ended(fault{errc::busy, "the lease is changing hands"});
  auto noted = co_await note_retiring();
  if (!noted)
    co_return ended(noted.error());
  if (facts_->placement.retiring().empty())
    co_return ended(std::nullopt);
  auto drained = co_await drain_readers();
  if (!drained)
    co_return ended(drained.error());
  auto retiring = facts_->placement.retiring();
  std::optional<fault> silent;
  for (auto& [hosts, extents] : retiring)
    for (auto& host : hosts) {
      if (canceled())
        co_return ended(fault{errc::canceled, "canceled"});
      auto freed = co_await free_at(host, to_vector(extents));
      if (freed)
        continue;
      silent = freed.error();
      if (!is_network_fault(*silent))
        co_return ended(silent);
    }
  co_return ended(silent);
}

std::vector<std::uint32_t> retire_machine::surplus_of_request() const {
  auto& map = facts_->placement;
  std::vector<std::uint32_t> go;
  for (auto extent : request_.extents)
    if (map.holds(request_.host, extent) && map.replicas(extent).size() > map.shape().replicas)
      go.push_back(extent);
  return go;
}

/// What the host lost and others hold in its stead.
std::vector<std::uint32_t> retire_machine::replaced_of_request() const {
  auto& map = facts_->placement;
  auto lost = map.lost().find(request_.host);
  std::vector<std::uint32_t> go;
  if (lost != map.lost().end())
    for (auto extent : request_.extents)
      if (lost->second.extents.contains(extent)
          && map.replicas(extent).size() >= map.shape().replicas)
        go.push_back(extent);
  return go;
}

script<result<void>> retire_machine::note_retiring() {
  if (request_.host.empty())
    co_return result<void>{};
  auto replaced = replaced_of_request();
  if (!replaced.empty())
    co_return co_await put_map(facts_->placement.without_lost(request_.host, replaced));
  auto go = surplus_of_request();
  if (go.empty())
    co_return result<void>{};
  auto next = facts_->placement.without_replica(request_.host, go);
  if (auto sure = co_await check_others(next, go); !sure)
    co_return sure;
  co_return co_await put_map(std::move(next));
}

/// A replica may have failed, or lost its machine's power, before the map knows.
script<result<void>> retire_machine::check_others(const placement_map& next,
                                                  std::vector<std::uint32_t> go) {
  auto left = co_await ask_others(next, false);
  auto unsure = left.unsure;
  unsure.insert(unsure.end(), left.silent.begin(), left.silent.end());
  std::sort(unsure.begin(), unsure.end());
  if ((held_only_by(next, unsure) & roaring::Roaring{go.size(), go.data()}).isEmpty())
    co_return result<void>{};
  co_return nobody_sure(request_.host, *facts_, unsure);
}

/// The primary must have stopped reading there before the space may go. Not primary any more: the
/// next holder starts from this map or a newer one, and its promotion fenced the former.
script<result<void>> retire_machine::drain_readers() {
  auto& lease = facts_->lease;
  if (lease.holder.empty() || planted(bug::retire_before_adopt))
    co_return result<void>{};
  roaring::Roaring all;
  for (auto& [hosts, extents] : facts_->placement.retiring())
    all |= extents;
  auto settle = to_vector(all);
  auto adopted = co_await ask_cancelable(lease.holder, adopt(*facts_, settle), send_timeout);
  co_return adopted ? result<void>{} : result<void>{adopted.error()};
}

script<result<void>> retire_machine::free_at(std::string host, std::vector<std::uint32_t> extents) {
  if (!request_.gone || host != request_.host) {
    auto request = retire(facts_->shape().id, facts_->placement.version(), extents);
    auto freed = co_await insist(host, std::move(request), attempts);
    if (!freed)
      co_return freed.error();
  }
  co_return co_await put_map(facts_->placement.without_retiring(host, extents));
}

script<result<void>> retire_machine::put_map(placement_map next) {
  std::vector<compare> compares;
  compares.push_back({lease_key(facts_->shape().id), facts_->lease_revision});
  compares.push_back({placement_key(facts_->shape().id), facts_->placement_revision});
  std::vector<store_op> ops;
  ops.push_back({placement_key(facts_->shape().id), to_value(next.encode())});
  auto done = co_await transact(std::move(compares), std::move(ops));
  if (!done)
    co_return done.error();
  facts_->placement = std::move(next);
  facts_->placement_revision = *done;
  co_return result<void>{};
}

} // namespace foreshift::lease
