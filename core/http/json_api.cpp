// SPDX-License-Identifier: Apache-2.0
#include "core/http/json_api.hpp"

#include "core/base/config_entry.hpp"
#include "core/codec/json.hpp"

namespace foreshift::http {

void json_api::add(capnp::StructSchema request, capnp::StructSchema reply) {
  requests_.emplace(request.getShortDisplayName().cStr(), request);
  replies_.emplace(reply.getProto().getId(), reply);
}

std::vector<std::string> json_api::verbs() const {
  std::vector<std::string> out;
  for (const auto& [name, schema] : requests_)
    out.push_back(name);
  return out;
}

bool json_api::only_asks(std::string_view verb) {
  for (std::string_view end : {"Get", "List", "Show", "OkToStop"})
    if (verb.ends_with(end))
      return true;
  return false;
}

result<door::envelope> json_api::read(const std::string& verb, std::string_view text) const {
  auto at = requests_.find(verb);
  if (at == requests_.end()) {
    auto names = verbs();
    std::vector<std::string_view> known(names.begin(), names.end());
    auto near = nearest_key(verb, known);
    return fault{
        errc::not_found,
        "no verb '" + verb + "'"
            + (near.empty() ? std::string{} : "; did you mean '" + std::string{near} + "'?")};
  }
  auto bytes = from_json(at->second, text.empty() ? "{}" : text);
  if (!bytes)
    return fault{bytes.error().code, verb + ": " + bytes.error().detail};
  return door::envelope{at->second.getProto().getId(), *std::move(bytes)};
}

result<std::string> json_api::write(const door::envelope& reply) const {
  auto at = replies_.find(reply.type);
  if (at == replies_.end())
    return fault{errc::malformed, "an answer of an unknown type"};
  return to_json(at->second, reply.payload);
}

} // namespace foreshift::http
