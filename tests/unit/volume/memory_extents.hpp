// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/extent_store.hpp"
#include "core/volume/peer_link.hpp"
#include "core/volume/replica_io.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace foreshift::test {

/// The in-memory twin of one host's extents of a small volume: same fences, same rules of staged
/// copies, and a switch to make it fail. Any thread.
class memory_extents final : public volume_extents {
public:
  explicit memory_extents(volume_layout layout)
      : layout_(std::move(layout)), bytes_(layout_.size_bytes) {}

  // -- what tests set and look at ----------------------------------------------------------------
  void break_with(fault why) {
    std::lock_guard lock{mutex_};
    broken_ = why;
  }
  void heal() {
    std::lock_guard lock{mutex_};
    broken_ = fault{errc::ok, {}};
  }
  result<void> reachable() const {
    std::lock_guard lock{mutex_};
    return broken_.code == errc::unreachable ? result<void>{broken_} : result<void>{};
  }
  /// A block that matches no checksum, until it is wholly rewritten (which may be made to fail).
  void corrupt(std::uint64_t block, bool rewrites_fail = false) {
    std::lock_guard lock{mutex_};
    corrupt_.insert(block);
    rewrites_fail_ = rewrites_fail;
    std::memset(bytes_.data() + block * block_bytes, 0xbd, block_bytes);
  }
  /// Runs before every write is stored, outside the lock.
  std::function<void(std::uint64_t offset)> before_write;

  std::vector<std::byte> content() const {
    std::lock_guard lock{mutex_};
    return bytes_;
  }
  std::uint64_t flushes() const { return flushes_; }
  std::uint64_t writes() const { return writes_; }

  // -- volume_extents ----------------------------------------------------------------------------
  const volume_layout& layout() const override { return layout_; }

  result<void> read(io_permit permit, std::uint64_t offset, std::span<std::byte> out) override {
    std::lock_guard lock{mutex_};
    if (auto ok = check(permit, offset, out.size()); !ok)
      return ok;
    for (auto block : corrupt_)
      if (block * block_bytes < offset + out.size() && (block + 1) * block_bytes > offset)
        return fault{errc::corrupt, "block " + std::to_string(block) + " is corrupt"};
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }

  result<void> write(io_permit permit, std::uint64_t offset,
                     std::span<const std::byte> in) override {
    if (before_write)
      before_write(offset);
    std::lock_guard lock{mutex_};
    if (auto ok = check(permit, offset, in.size()); !ok)
      return ok;
    if (permit.move != 0 && (offset % block_bytes != 0 || in.size() % block_bytes != 0))
      return fault{errc::invalid, "mirrored writes come in whole blocks"};
    for (auto block : corrupt_)
      if (block * block_bytes < offset + in.size() && (block + 1) * block_bytes > offset
          && (offset > block * block_bytes || offset + in.size() < (block + 1) * block_bytes))
        return fault{errc::corrupt, "part of corrupt block " + std::to_string(block)};
    if (rewrites_fail_)
      for (auto block : corrupt_)
        if (block * block_bytes < offset + in.size() && (block + 1) * block_bytes > offset)
          return fault{errc::storage, "the medium is bad"};
    std::erase_if(corrupt_, [&](auto block) {
      return block * block_bytes >= offset && (block + 1) * block_bytes <= offset + in.size();
    });
    ++writes_;
    for (auto& [since, set] : watches_)
      set.addRange(offset / layout_.extent_bytes,
                   (offset + in.size() - 1) / layout_.extent_bytes + 1);
    std::memcpy(bytes_.data() + offset, in.data(), in.size());
    note_filled(permit, offset, in.size());
    return {};
  }

  result<void> zero(io_permit permit, std::uint64_t offset, std::uint64_t length) override {
    std::vector<std::byte> zeroes(length);
    return write(permit, offset, zeroes);
  }

  result<void> flush(io_permit permit) override {
    std::lock_guard lock{mutex_};
    if (broken_.code != errc::ok)
      return broken_;
    if (auto ok = check_fence(permit); !ok)
      return ok;
    ++flushes_;
    return {};
  }

  result<void> read_verified(std::uint64_t offset, std::span<std::byte> out) override {
    std::lock_guard lock{mutex_};
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }

  result<void> stage(std::uint64_t move, std::span<const std::uint32_t> extents) override {
    std::lock_guard lock{mutex_};
    for (auto extent : extents)
      staged_[extent] = move;
    return {};
  }

  result<std::uint64_t> fill(std::uint64_t move, std::uint32_t extent, std::uint32_t at,
                             std::span<const std::byte> in) override {
    std::lock_guard lock{mutex_};
    if (staged_[extent] != move)
      return fault{errc::refused, "another move owns it"};
    std::uint64_t stored = 0;
    auto offset = std::uint64_t{extent} * layout_.extent_bytes + at;
    for (std::size_t i = 0; i < in.size(); i += block_bytes) {
      if (filled_.contains((offset + i) / block_bytes))
        continue;
      std::memcpy(bytes_.data() + offset + i, in.data() + i, block_bytes);
      stored += block_bytes;
    }
    return stored;
  }

  result<void> sync_staged(std::uint64_t) override { return {}; }

  result<void> commit(std::uint64_t move, std::span<const std::uint32_t> extents) override {
    std::lock_guard lock{mutex_};
    for (auto extent : extents)
      if (staged_[extent] == move)
        added_.insert(extent);
    return {};
  }

  result<void> abort(std::uint64_t) override { return {}; }
  result<void> retire(std::span<const std::uint32_t>) override { return {}; }

  result<std::vector<std::uint64_t>> digests(std::span<const std::uint32_t> extents) override {
    std::lock_guard lock{mutex_};
    std::vector<std::uint64_t> out;
    for (auto extent : extents) {
      std::uint64_t hash = 0;
      for (std::uint64_t i = 0; i < layout_.extent_bytes; ++i)
        hash = hash * 31 + static_cast<std::uint64_t>(bytes_[extent * layout_.extent_bytes + i]);
      out.push_back(hash);
    }
    return out;
  }

  result<void> stage_resync(std::uint64_t move, std::span<const std::uint32_t> extents) override {
    return stage(move, extents);
  }

  /// Stands for the hashes: the blocks' first bytes.
  result<std::vector<std::vector<std::byte>>>
  block_hashes(std::span<const std::uint32_t> extents) override {
    std::lock_guard lock{mutex_};
    std::vector<std::vector<std::byte>> out;
    for (auto extent : extents) {
      auto& hashes = out.emplace_back();
      for (std::uint64_t i = 0; i < layout_.extent_bytes; i += block_bytes) {
        auto at = bytes_.begin()
                  + static_cast<std::ptrdiff_t>(std::uint64_t{extent} * layout_.extent_bytes + i);
        hashes.insert(hashes.end(), at, at + block_hash_bytes);
      }
    }
    return out;
  }

  result<std::vector<bool>> differing(std::uint64_t, std::uint32_t extent,
                                      std::span<const std::byte> hashes) override {
    auto own = block_hashes(std::span{&extent, 1});
    std::lock_guard lock{mutex_};
    std::vector<bool> out;
    for (std::size_t i = 0; i * block_hash_bytes < own->front().size(); ++i) {
      auto filled =
          filled_.contains(std::uint64_t{extent} * layout_.extent_bytes / block_bytes + i);
      out.push_back(!filled
                    && std::memcmp(own->front().data() + i * block_hash_bytes,
                                   hashes.data() + i * block_hash_bytes, block_hash_bytes)
                           != 0);
    }
    return out;
  }

  result<void> watch(std::uint64_t since) override {
    std::lock_guard lock{mutex_};
    watches_[since];
    return {};
  }
  result<void> unwatch(std::uint64_t since) override {
    std::lock_guard lock{mutex_};
    watches_.erase(since);
    return {};
  }
  std::optional<roaring::Roaring> changed(std::uint64_t since) const override {
    std::lock_guard lock{mutex_};
    auto found = watches_.find(since);
    return found == watches_.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<std::uint64_t> watches() const override {
    std::lock_guard lock{mutex_};
    std::vector<std::uint64_t> out;
    for (auto& [since, extents] : watches_)
      out.push_back(since);
    return out;
  }

  extent_inventory inventory() const override { return {}; }
  std::vector<std::uint64_t> moves_staged() const override { return {}; }
  std::uint64_t corrupt_blocks() const override {
    std::lock_guard lock{mutex_};
    return corrupt_.size();
  }
  roaring::Roaring corrupt_extents() const override {
    std::lock_guard lock{mutex_};
    roaring::Roaring out;
    for (auto block : corrupt_)
      out.add(static_cast<std::uint32_t>(block * block_bytes / layout_.extent_bytes));
    return out;
  }
  result<std::uint64_t> check(std::uint32_t) override { return layout_.extent_bytes; }
  result<std::uint64_t> check_files() override { return std::uint64_t{0}; }
  std::string failure() const override { return {}; }
  std::uint64_t doubt() const override { return 0; }
  result<void> trust(std::uint64_t) override { return {}; }
  result<void> reopen() override { return {}; }
  std::uint64_t bytes_present() const override { return 0; }

  result<void> prepare(std::uint64_t epoch, std::string_view holder) override {
    std::lock_guard lock{mutex_};
    fence_.prepared_epoch = epoch;
    fence_.prepared_holder = holder;
    return {};
  }

  result<fence_state> promote(std::uint64_t epoch, std::string_view holder) override {
    std::lock_guard lock{mutex_};
    if (epoch < fence_.epoch || (epoch == fence_.epoch && holder != fence_.holder))
      return fault{errc::refused, "a newer epoch was seen"};
    fence_.epoch = epoch;
    fence_.holder = holder;
    return fence_;
  }

  fence_state fence() const override {
    std::lock_guard lock{mutex_};
    return fence_;
  }

private:
  result<void> check_fence(io_permit permit) const {
    if (permit.epoch != fence_.epoch)
      return fault{errc::refused, "epoch " + std::to_string(permit.epoch) + " is not the fence's"};
    return {};
  }

  result<void> check(io_permit permit, std::uint64_t offset, std::uint64_t length) const {
    if (broken_.code != errc::ok)
      return broken_;
    if (auto ok = check_fence(permit); !ok)
      return ok;
    for (auto e = offset / layout_.extent_bytes; e <= (offset + length - 1) / layout_.extent_bytes;
         ++e) {
      auto extent = static_cast<std::uint32_t>(e);
      auto staged = staged_.find(extent);
      bool mirrored = permit.move != 0 && staged != staged_.end() && staged->second == permit.move;
      if (!mirrored && !layout_.is_home(extent) && !added_.contains(extent))
        return fault{errc::refused, "extent " + std::to_string(extent) + " is not here"};
    }
    return {};
  }

  void note_filled(io_permit permit, std::uint64_t offset, std::uint64_t length) {
    if (permit.move != 0)
      for (auto block = offset / block_bytes; block < (offset + length) / block_bytes; ++block)
        filled_.insert(block);
  }

  const volume_layout layout_;
  mutable std::mutex mutex_;
  std::vector<std::byte> bytes_;
  fence_state fence_;
  fault broken_{errc::ok, {}};
  std::map<std::uint32_t, std::uint64_t> staged_;
  std::set<std::uint32_t> added_;
  std::set<std::uint64_t> filled_;
  std::map<std::uint64_t, roaring::Roaring> watches_;
  std::set<std::uint64_t> corrupt_;
  bool rewrites_fail_ = false;
  std::atomic<std::uint64_t> flushes_{0};
  std::atomic<std::uint64_t> writes_{0};
};

/// A link that calls the twin of another host, as that host's partition server would.
class memory_link final : public peer_link {
public:
  memory_link(std::shared_ptr<memory_extents> there, io_permit permit)
      : there_(std::move(there)), permit_(permit) {}

  result<void> connect() override { return there_->reachable(); }
  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return seen(there_->read(permit_, offset, out));
  }
  std::unique_ptr<pending_io> start_write(std::uint64_t offset,
                                          std::span<const std::byte> in) override {
    return later([=, this] { return seen(there_->write(permit_, offset, in)); });
  }
  std::unique_ptr<pending_io> start_zero(std::uint64_t offset, std::uint64_t length) override {
    return later([=, this] { return seen(there_->zero(permit_, offset, length)); });
  }
  std::unique_ptr<pending_io> start_flush() override {
    return later([this] { return seen(there_->flush(permit_)); });
  }

private:
  class deferred final : public pending_io {
  public:
    explicit deferred(std::function<result<void>()> run) : run_(std::move(run)) {}
    result<void> finish() override { return run_(); }

  private:
    std::function<result<void>()> run_;
  };

  result<void> seen(result<void> done) const {
    return done ? done : classify(*there_, permit_, done.error());
  }
  static std::unique_ptr<pending_io> later(std::function<result<void>()> run) {
    return std::make_unique<deferred>(std::move(run));
  }

  std::shared_ptr<memory_extents> there_;
  io_permit permit_;
};

} // namespace foreshift::test
