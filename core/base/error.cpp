// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace foreshift {

namespace {

constexpr std::array<std::string_view, 16> names{
    "ok",          "failed",  "invalid",   "not_found", "precondition", "timeout",
    "unreachable", "refused", "malformed", "too_large", "storage",      "corrupt",
    "no_space",    "exists",  "busy",      "canceled"};

} // namespace

std::string_view to_string(errc code) noexcept {
  auto i = static_cast<std::size_t>(code);
  return i < names.size() ? names[i] : "unknown";
}

int exit_code(errc code) noexcept {
  switch (code) {
  case errc::ok:
    return 0;
  case errc::invalid:
    return 2;
  case errc::not_found:
    return 3;
  case errc::precondition:
  case errc::no_space:
  case errc::exists:
  case errc::busy:
    return 4;
  case errc::timeout:
    return 5;
  case errc::unreachable:
    return 6;
  case errc::refused:
    return 7;
  default:
    return 1;
  }
}

std::string to_string(const fault& why) {
  return std::string{to_string(why.code)} + ": " + why.detail;
}

void broken(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

} // namespace foreshift
