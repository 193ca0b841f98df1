// SPDX-License-Identifier: Apache-2.0
#include "actors/base/errors.hpp"

#include "actors/base/caf_compat.hpp"

#include <caf/message.hpp>
#include <caf/sec.hpp>

namespace foreshift {

namespace {

fault from_system(caf::sec code) {
  switch (code) {
  case caf::sec::request_timeout:
    return {errc::timeout, "no answer in time"};
  case caf::sec::request_receiver_down:
    return {errc::unreachable, "the actor that should answer has ended"};
  default:
    return {errc::failed, "actor system: " + to_string(code)};
  }
}

} // namespace

caf::error to_caf(const fault& why) {
  return compat::make_error(static_cast<std::uint8_t>(why.code), why.detail);
}

fault to_fault(const caf::error& why) {
  if (compat::is_ours(why)) {
    auto& context = why.context();
    return {static_cast<errc>(why.code()),
            context.match_elements<std::string>() ? context.get_as<std::string>(0) : ""};
  }
  if (compat::is_system(why))
    return from_system(static_cast<caf::sec>(why.code()));
  return {errc::failed, "actor error: " + to_string(why)};
}

} // namespace foreshift
