// SPDX-License-Identifier: Apache-2.0
// The coordinator's TOML file from a stranger: it is taken with sensible values, or refused with a
// sentence. So is a key of a volume's policy, up to the first line break its name.
#include "agents/coordinator/coordinator_options.hpp"

#include <algorithm>

using namespace foreshift;

namespace {

void try_policy(std::string_view text) {
  auto end = std::min(text.find('\n'), text.size());
  volume_policy policy;
  auto done = set_policy(policy, text.substr(0, end), text.substr(std::min(end + 1, text.size())));
  FORESHIFT_ENSURE(done || !done.error().detail.empty());
  FORESHIFT_ENSURE(*parse_follow(name_of(policy.follow)) == policy.follow);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try_policy({reinterpret_cast<const char*>(data), size});
  auto options = parse_coordinator_options({reinterpret_cast<const char*>(data), size}, "c.toml");
  if (!options) {
    FORESHIFT_ENSURE(options.error().detail.starts_with("c.toml"));
    return 0;
  }
  auto& rules = options->rules;
  FORESHIFT_ENSURE(!options->data.empty());
  FORESHIFT_ENSURE(options->certificate.empty() == options->key.empty());
  FORESHIFT_ENSURE(rules.silence_max >= 2 * rules.report_interval && rules.grace.count() > 0);
  return 0;
}
