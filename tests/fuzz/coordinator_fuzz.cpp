// SPDX-License-Identifier: Apache-2.0
// The coordinator's TOML file from a stranger: it is taken with sensible values, or refused with a
// sentence.
#include "agents/coordinator/coordinator_options.hpp"

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
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
