// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace foreshift::door {

/// Something that should answer at an address.
struct port {
  enum class kind {
    door, ///< A door: answers Ping, through TLS when `tls_files` are given.
    nbd,  ///< An NBD server: says so as soon as it is connected.
  };
  std::string address; ///< "host:port".
  kind what = kind::door;
};

/// Tries all ports at once; per port why it does not answer as it should, empty where it does.
/// Blocks up to `timeout` (name resolution excluded); not for the io thread.
std::vector<std::string> probe(io_thread& io, const tls_files& tls, const std::vector<port>& ports,
                               std::chrono::milliseconds timeout);

} // namespace foreshift::door
