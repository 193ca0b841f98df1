// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/extent/extent_store.hpp"
#include "core/volume/plane.hpp"
#include "core/volume/plane_service.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace foreshift {

/// The plugin's configuration: one member per key.
struct data_plane_options {
  std::string data;                             ///< data=DIR
  std::string host;                             ///< host=NAME
  std::string door;                             ///< door=unix:PATH, for this host's agent
  std::string peer_door;                        ///< peer-door=ADDR:PORT, for other planes
  door::tls_files peer_door_tls;                ///< peer-door-cert=, peer-door-key=, peer-door-ca=
  std::string peer_tls;                         ///< peer-tls=DIR: NBD between planes is encrypted
  std::uint64_t reserve = 256u << 20;           ///< reserve=SIZE
  std::chrono::milliseconds hold{30000};        ///< hold=DURATION
  std::chrono::milliseconds peer_timeout{3000}; ///< peer-timeout=DURATION
  std::uint64_t copy_slowdown = 10;       ///< copy-slowdown=PERCENT, that copies may cost guests
  std::uint64_t copy_rate_min = 4u << 20; ///< copy-rate-min=SIZE a second, that copies keep
  bool access_log = true;                 ///< access-log=on|off; off: nothing to learn from

  /// Takes one KEY=VALUE; `invalid` names the key and what it should have been.
  result<void> set(const std::string& key, const std::string& value);

  /// All that must be there is there.
  result<void> check() const;

  slowdown_options copies() const;
};

/// Everything that runs in the data plane process, built after nbdkit's fork and destroyed in
/// order.
class data_plane {
public:
  static result<std::unique_ptr<data_plane>> open(const data_plane_options& options);

  foreshift::plane& plane() { return *plane_; }
  const data_plane_options& options() const { return options_; }

private:
  data_plane() = default;

  data_plane_options options_;
  std::unique_ptr<extent_store> store_;
  std::unique_ptr<door::io_thread> io_;
  std::unique_ptr<foreshift::plane> plane_;
  std::unique_ptr<plane_service> service_;
  std::unique_ptr<door::server> agent_door_;
  std::unique_ptr<door::server> peer_door_;
};

} // namespace foreshift
