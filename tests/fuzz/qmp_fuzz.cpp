// SPDX-License-Identifier: Apache-2.0
// What a monitor may say, in any pieces: the first byte of each piece is its length.
#include "core/vm/qmp_message.hpp"

#include <algorithm>

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qmp::line_reader lines;
  std::string_view rest{reinterpret_cast<const char*>(data), size};
  while (!rest.empty()) {
    auto piece = std::min<std::size_t>(static_cast<std::uint8_t>(rest.front()), rest.size() - 1);
    auto fed = lines.feed(rest.substr(1, piece));
    FORESHIFT_ENSURE(fed || fed.error().code == errc::too_large);
    rest.remove_prefix(1 + piece);
    while (auto line = lines.next()) {
      FORESHIFT_ENSURE(!line->empty() && line->find('\n') == line->npos);
      auto got = qmp::parse(*line);
      if (!got)
        FORESHIFT_ENSURE(!got.error().detail.empty());
      else if (auto* answer = std::get_if<qmp::reply>(&*got))
        FORESHIFT_ENSURE(answer->value != nullptr);
    }
  }
  return 0;
}
