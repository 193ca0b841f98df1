// SPDX-License-Identifier: Apache-2.0
// A weights file from a stranger: refused with a sentence, or numbers that a step can use and that
// are written as they were read.
#include "core/forecast/lstm.hpp"

#include <cmath>

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint32_t inputs = 3, units = 2;
  std::string_view bytes{reinterpret_cast<const char*>(data), size};
  auto got = lstm_weights::load(bytes, inputs, units);
  if (!got) {
    FORESHIFT_ENSURE(!got.error().detail.empty());
    return 0;
  }
  FORESHIFT_ENSURE(got->save() == bytes);
  lstm_state state{std::vector<float>(units), std::vector<float>(units)};
  for (auto y : lstm_step(*got, std::vector<float>(inputs, 1.0f), state))
    FORESHIFT_ENSURE(std::isfinite(y));
  return 0;
}
