// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"

#include <kj/compat/tls.h>
#include <kj/timer.h>

namespace foreshift::door {

/// A handshake that takes longer is abandoned.
inline constexpr int handshake_s_max = 10;

/// `invalid` unless all three files are named, saying which are missing.
result<void> check_complete(const tls_files& files);

/// A context that shows `certificate`, trusts only `ca`, demands a certificate of both sides and
/// speaks TLS 1.2 or later. Call it on the io thread, whose timer it keeps.
result<kj::Own<kj::TlsContext>> open_tls(const tls_files& files, kj::Timer& timer);

/// Splits a certificate's common name "ROLE:NAME".
peer peer_from(std::string_view common_name);

} // namespace foreshift::door
