// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/volume/peer_link.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace foreshift {

struct nbd_link_options {
  std::string tls_directory; ///< Certificates for libnbd; empty: plain TCP.
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds io_timeout{3000}; ///< For a request; a flush gets three times that.
  /// Numbers sessions (see session_line): must be higher than any of a former process of this host.
  std::shared_ptr<std::atomic<std::uint64_t>> sessions{};
};

/// Export name of a peer session: "peer:VOLUME:EPOCH:HOLDER:MOVE:SESSION".
std::string peer_export_name(const link_target& target, std::uint64_t session);

/// Export name of reads and flushes that the volume's primary carries out: "look:VOLUME".
std::string look_export_name(std::uint64_t volume);

/// Export name for copying a volume's extents: "copy:VOLUME".
std::string copy_export_name(std::uint64_t volume);

/// Splits "HOST:PORT" or "[V6]:PORT"; `invalid` otherwise.
result<std::pair<std::string, std::string>> split_address(const std::string& address);

/// A link over NBD: a pool of connections, one request at a time on each, opened when needed and
/// replaced (the request repeated once) when lost.
std::shared_ptr<peer_link> make_nbd_link(const link_target& target,
                                         const nbd_link_options& options);

} // namespace foreshift
