// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace foreshift::http {

/// The status that says a fault to HTTP clients.
unsigned status_of(errc code) noexcept;

/// The words of a status line.
const char* text_of(unsigned status) noexcept;

/// {"code": "not_found", "detail": "..."}
std::string fault_json(const fault& why);

/// {"verbs": [...]}
std::string names_json(const std::vector<std::string>& names);

/// Query fields as a JSON object: "true" and "false" are themselves, all else is text, which the
/// schema's numbers take too.
std::string query_json(const std::vector<std::pair<std::string, std::string>>& fields);

/// Whether a Host header names this machine's loopback, whatever the port; then no foreign page can
/// have rebound its own name to it.
bool is_loopback_name(std::string_view host);

} // namespace foreshift::http
