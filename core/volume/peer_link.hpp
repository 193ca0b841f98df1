// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace foreshift {

/// A request that is on its way to a peer. `finish` waits for its outcome and is called once.
class pending_io {
public:
  virtual ~pending_io() = default;
  virtual result<void> finish() = 0;
};

/// One partition host's extents of one volume, as one (epoch, move) sees them. Any thread.
///
/// Faults: `refused` the host has seen another epoch: this holder is fenced; `precondition` the
/// extent is not (or not any more) there for this session; `no_space`, `corrupt`, `storage`;
/// `unreachable` and `timeout` say nothing about whether a write took place.
class peer_link {
public:
  virtual ~peer_link() = default;

  /// Opens at least one connection now, so that a later request does not pay for it.
  virtual result<void> connect() = 0;

  virtual result<void> read(std::uint64_t offset, std::span<std::byte> out) = 0;

  /// These start a request and return at once; `in` must live until `finish`.
  virtual std::unique_ptr<pending_io> start_write(std::uint64_t offset,
                                                  std::span<const std::byte> in) = 0;
  virtual std::unique_ptr<pending_io> start_zero(std::uint64_t offset, std::uint64_t length) = 0;
  virtual std::unique_ptr<pending_io> start_flush() = 0;
};

/// What a session to a peer is opened for.
struct link_target {
  std::string host;
  std::string address; ///< "127.0.0.1:10809": the peer's NBD face.
  std::uint64_t volume = 0;
  std::uint64_t epoch = 0;
  std::string holder;
  std::uint64_t move = 0;
  bool look = false; ///< Reads and flushes of the volume by its primary; the rest says nothing.

  friend auto operator<=>(const link_target&, const link_target&) = default;
};

using link_factory = std::function<std::shared_ptr<peer_link>(const link_target&)>;

} // namespace foreshift
