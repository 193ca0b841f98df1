// SPDX-License-Identifier: Apache-2.0
// The first byte is the size of the pieces. However a stream is cut, the guard must come to the
// same verdict, and a stream that it lets through must not make Cap'n Proto's own reader allocate
// more.
#include "core/door/frame_guard.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>
#include <kj/io.h>

#include <algorithm>

using foreshift::door::frame_guard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t bytes_max = 4096;
  if (size < 1)
    return 0;
  std::size_t piece = 1 + data[0] % 32;
  std::span stream{reinterpret_cast<const std::byte*>(data) + 1, size - 1};

  frame_guard whole{bytes_max};
  bool fine = static_cast<bool>(whole.pass(stream));
  frame_guard cut{bytes_max};
  bool cut_fine = true;
  for (auto rest = stream; !rest.empty(); rest = rest.subspan(std::min(piece, rest.size())))
    cut_fine = cut.pass(rest.first(std::min(piece, rest.size()))) && cut_fine;
  FORESHIFT_ENSURE(fine == cut_fine && whole.frames() == cut.frames());
  if (!fine)
    return 0;

  // Cap'n Proto must find exactly the frames that the guard has counted.
  kj::ArrayInputStream input{{data + 1, size - 1}};
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = bytes_max / 8;
  for (std::uint64_t i = 0; i < whole.frames(); ++i) {
    auto failed = kj::runCatchingExceptions([&] {
      capnp::InputStreamMessageReader{input, limits}.getSegment(0);
    });
    FORESHIFT_ENSURE(failed == nullptr);
  }
  return 0;
}
