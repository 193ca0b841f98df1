// SPDX-License-Identifier: Apache-2.0
// Requests by HTTP: the first line is the verb, or "?" and a query's fields; the rest is JSON. What
// is taken must be a request that the door would admit, and must come out as JSON again.
#include "core/codec/json.hpp"
#include "core/http/http_text.hpp"
#include "core/http/json_api.hpp"
#include "schemas/api.capnp.h"

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto api = [] {
    http::json_api x;
    x.offer<schema::VolumeCreate, schema::VolumeInfo>();
    x.offer<schema::EventsGet, schema::Events>();
    x.offer<schema::Status, schema::VolumeCreate>(); // lists and structs on the way in
    return x;
  }();
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto end = std::min(text.find('\n'), text.size());
  std::string verb{text.substr(0, end)};
  text.remove_prefix(std::min(end + 1, text.size()));
  (void)http::is_loopback_name(verb);
  std::string fields = http::query_json({{verb, std::string{text}}});
  (void)api.read("VolumeCreate", fields);
  auto request = api.read(verb, text);
  if (!request) {
    FORESHIFT_ENSURE(!request.error().detail.empty());
    return 0;
  }
  if (request->type == packet<schema::VolumeCreate>::type_id)
    FORESHIFT_ENSURE(bool(api.write(*request)));
  return 0;
}
