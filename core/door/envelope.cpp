// SPDX-License-Identifier: Apache-2.0
#include "core/door/envelope.hpp"

#include <fmt/format.h>

namespace foreshift::door {

envelope wrap_fault(const fault& why) {
  return wrap(packet<schema::Fault>::make([&](auto root) {
    root.setCode(static_cast<std::uint16_t>(why.code));
    root.setDetail(kj::StringPtr{why.detail.c_str(), why.detail.size()});
  }));
}

std::optional<fault> as_fault(const envelope& x) {
  if (x.type != packet<schema::Fault>::type_id)
    return std::nullopt;
  auto why = packet<schema::Fault>::admit(x.payload);
  if (!why)
    return why.error();
  auto code = why->read().getCode();
  // A newer peer may know codes that we do not; `ok` is no fault at all.
  if (code == 0 || code > static_cast<std::uint16_t>(errc::canceled))
    code = static_cast<std::uint16_t>(errc::failed);
  return fault{static_cast<errc>(code), why->read().getDetail().cStr()};
}

envelope read_envelope(schema::Envelope::Reader in) {
  auto raw = in.getPayload();
  auto* begin = reinterpret_cast<const std::byte*>(raw.begin());
  return {in.getTypeId(), {begin, begin + raw.size()}};
}

void write_envelope(schema::Envelope::Builder out, const envelope& in) {
  out.setTypeId(in.type);
  out.setPayload({reinterpret_cast<const kj::byte*>(in.payload.data()), in.payload.size()});
}

capnp::MessageSize size_hint(const envelope& x) {
  return {x.payload.size() / 8 + 16, 0};
}

result<void> check_size(const envelope& x) {
  if (x.payload.size() > packet_bytes_max)
    return fault{errc::too_large, fmt::format("a message of {} bytes exceeds the limit of {}",
                                              x.payload.size(), packet_bytes_max)};
  return {};
}

fault to_fault(const kj::Exception& why, const std::string& address) {
  auto text = why.getDescription().cStr();
  switch (why.getType()) {
  case kj::Exception::Type::DISCONNECTED:
    return {errc::unreachable, fmt::format("the connection to {} was lost: {}", address, text)};
  case kj::Exception::Type::OVERLOADED:
    return {errc::busy, fmt::format("{} is overloaded: {}", address, text)};
  case kj::Exception::Type::UNIMPLEMENTED:
    return {errc::malformed, fmt::format("{} is no door: {}", address, text)};
  default:
    return {errc::failed, fmt::format("the call to {} failed: {}", address, text)};
  }
}

} // namespace foreshift::door
