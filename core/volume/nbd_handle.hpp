// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/volume/nbd_link.hpp"

#include <libnbd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace foreshift {

struct nbd_closer {
  void operator()(nbd_handle* h) const { nbd_close(h); }
};
using nbd_connection = std::unique_ptr<nbd_handle, nbd_closer>;

/// Connects and negotiates within the time-out; `unreachable` or `timeout`, naming address and
/// export.
result<nbd_connection> nbd_open(const std::string& address, const std::string& export_name,
                                const nbd_link_options& options);

/// Whether the connection cannot be used any more.
bool nbd_lost(nbd_handle* h);

/// libnbd's last error of this thread as a fault of `peer_link`.
fault nbd_fault(nbd_handle* h, const std::string& where);

/// Waits for one command, for the first `spin_time` without sleeping. After `timeout` the command
/// is still in flight and the connection must be closed.
result<void> nbd_await(nbd_handle* h, std::int64_t cookie, std::chrono::milliseconds timeout,
                       const std::string& where, std::chrono::microseconds spin_time = {});

} // namespace foreshift
