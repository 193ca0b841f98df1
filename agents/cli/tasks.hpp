// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agents/cli/session.hpp"

#include <string>

namespace foreshift::cli {

const char* name_of(schema::TaskKind kind);
const char* name_of(schema::TaskState state);

/// "migrate vm1 from host-a to host-c".
std::string title_of(schema::Task::Reader task);

} // namespace foreshift::cli
