// SPDX-License-Identifier: Apache-2.0
#include "core/http/http_text.hpp"

#include <nlohmann/json.hpp>

namespace foreshift::http {

unsigned status_of(errc code) noexcept {
  switch (code) {
  case errc::ok:
    return 200;
  case errc::invalid:
  case errc::malformed:
    return 400;
  case errc::refused:
    return 403;
  case errc::not_found:
    return 404;
  case errc::precondition:
  case errc::exists:
  case errc::busy:
  case errc::canceled:
    return 409;
  case errc::too_large:
    return 413;
  case errc::unreachable:
    return 503;
  case errc::timeout:
    return 504;
  case errc::no_space:
    return 507;
  case errc::failed:
  case errc::storage:
  case errc::corrupt:
    break;
  }
  return 500;
}

const char* text_of(unsigned status) noexcept {
  switch (status) {
  case 200:
    return "OK";
  case 400:
    return "Bad Request";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 409:
    return "Conflict";
  case 413:
    return "Content Too Large";
  case 415:
    return "Unsupported Media Type";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 507:
    return "Insufficient Storage";
  default:
    return "Internal Server Error";
  }
}

std::string fault_json(const fault& why) {
  nlohmann::ordered_json out{{"code", to_string(why.code)}, {"detail", why.detail}};
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string names_json(const std::vector<std::string>& names) {
  return nlohmann::json{{"verbs", names}}.dump() + "\n";
}

std::string query_json(const std::vector<std::pair<std::string, std::string>>& fields) {
  auto out = nlohmann::json::object();
  for (const auto& [name, value] : fields) {
    if (value == "true" || value == "false")
      out[name] = value == "true";
    else
      out[name] = value;
  }
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool is_loopback_name(std::string_view host) {
  auto name = host.substr(0, host.starts_with('[') ? host.find(']') + 1 : host.find(':'));
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

} // namespace foreshift::http
