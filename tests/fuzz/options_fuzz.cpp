// SPDX-License-Identifier: Apache-2.0
// Settings from a stranger: the agent's TOML file, and the KEY=VALUE lines nbdkit hands to the
// plugin. Each is taken, or refused with a sentence.
#include "actors/agent/agent_options.hpp"
#include "agents/nbd/data_plane.hpp"

using namespace foreshift;

namespace {

void try_plugin(std::string_view text) {
  data_plane_options options;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto equals = line.find('=');
    if (equals == line.npos)
      continue;
    auto done =
        options.set(std::string{line.substr(0, equals)}, std::string{line.substr(equals + 1)});
    if (!done)
      FORESHIFT_ENSURE(!done.error().detail.empty());
  }
  if (auto done = options.check(); !done)
    FORESHIFT_ENSURE(!done.error().detail.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (data[0] % 2 == 0) {
    auto options = parse_agent_options(std::string{text}, "plugin.so");
    if (!options)
      FORESHIFT_ENSURE(!options.error().detail.empty());
  } else {
    try_plugin(text);
  }
  return 0;
}
