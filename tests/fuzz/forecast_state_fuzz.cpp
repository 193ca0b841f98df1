// SPDX-License-Identifier: Apache-2.0
// A forecaster's state from another host: refused, or a forecaster that goes on learning and
// predicting sensibly. The input is the state unpacked; a checksum would hide all but the frame.
#include "core/forecast/forecaster.hpp"

#include <zstd.h>

#include <cmath>
#include <cstring>

using namespace foreshift;

namespace {

std::string packed(const std::uint8_t* data, std::size_t size) {
  std::string out(8 + ZSTD_compressBound(size), '\0');
  std::memcpy(out.data(), "FSFC", 4);
  std::memcpy(out.data() + 4, data, 4); // the version
  auto bytes = ZSTD_compress(out.data() + 8, out.size() - 8, data + 4, size - 4, 1);
  out.resize(8 + bytes);
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4)
    return 0;
  forecaster_options options;
  options.size_bytes = 64u << 20;
  options.more_horizons_ms = {};
  options.extents_max = 16;
  auto f = make_forecaster(options);
  if (!f->load(packed(data, size)))
    return 0;
  f->observe({0, 5u << 20, 8192, false});
  f->advance(60'000);
  for (auto& each : f->predict(16).extents)
    FORESHIFT_ENSURE(std::isfinite(each.reads) && each.reads >= 0 && each.writes >= 0);
  f->choose(4);
  return 0;
}
