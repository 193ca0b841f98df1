// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "schemas/door.capnp.h"

#include <kj/exception.h>

namespace foreshift::door {

/// Copies an envelope off the wire.
envelope read_envelope(schema::Envelope::Reader in);

/// Copies an envelope onto the wire.
void write_envelope(schema::Envelope::Builder out, const envelope& in);

/// Words an RPC message needs to carry it in one segment.
capnp::MessageSize size_hint(const envelope& x);

/// `too_large` if no door would take it.
result<void> check_size(const envelope& x);

/// What a kj exception means to a caller of `address`.
fault to_fault(const kj::Exception& why, const std::string& address);

} // namespace foreshift::door
