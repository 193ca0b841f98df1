// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/plane.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace foreshift {

/// One NBD connection: what nbdkit's callbacks are carried out on. Any thread.
class session {
public:
  virtual ~session() = default;

  virtual std::uint64_t size() const = 0;
  virtual bool writable() const = 0;
  virtual std::string description() const = 0;

  virtual result<void> read(std::uint64_t offset, std::span<std::byte> out) = 0;
  virtual result<void> write(std::uint64_t offset, std::span<const std::byte> in) = 0;
  virtual result<void> zero(std::uint64_t offset, std::uint64_t length) = 0;
  virtual result<void> flush() = 0;

  /// errno for the client. Only those that NBD can carry: it turns any other into EINVAL.
  virtual int error_number(const fault& why) const = 0;
};

/// The gateway's face: a VCI's connection to a volume.
result<std::unique_ptr<session>> open_gateway_session(plane& host, std::string_view export_name,
                                                      std::int64_t pid);

/// The partition server's face: another plane's connection to this host's extents.
result<std::unique_ptr<session>> open_peer_session(plane& host, std::string_view export_name);

/// One of its kinds: reads and flushes that this host's gateway, the primary, carries out for
/// clients of an announced destination.
result<std::unique_ptr<session>> open_look_session(plane& host, std::string_view export_name);

} // namespace foreshift
