// SPDX-License-Identifier: Apache-2.0
// A segment of an access log that nobody vouches for: malformed, or records that are packed and
// read back as they are.
#include "core/trace/access_log.hpp"

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes{reinterpret_cast<const char*>(data), size};
  auto header = read_access_segment_header(bytes);
  auto got = decode_access_segment(bytes);
  if (!got)
    return 0;
  FORESHIFT_ENSURE(header && header->records == got->size());
  auto again = encode_access_segment(*got);
  FORESHIFT_ENSURE(again);
  auto back = decode_access_segment(*again);
  FORESHIFT_ENSURE(back && *back == *got);
  return 0;
}
