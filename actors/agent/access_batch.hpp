// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/access_log.hpp"
#include "schemas/access.capnp.h"

#include <vector>

namespace foreshift {

/// The records of a batch as the access log keeps them. An unknown operation counts as a write: it
/// may have changed data.
std::vector<access_record> to_records(schema::AccessBatch::Reader batch);

} // namespace foreshift
