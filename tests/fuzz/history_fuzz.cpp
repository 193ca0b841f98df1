// SPDX-License-Identifier: Apache-2.0
// A history file from a stranger: it is refused with a place, or decided; what was parsed can be
// written and parsed again.
#include "core/history/file.hpp"

using namespace foreshift;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t input_bytes_max = 4096; // the search is exponential in what is concurrent
  std::string_view text{reinterpret_cast<const char*>(data), std::min(size, input_bytes_max)};
  auto first = text.substr(0, text.find('\n'));
  if (auto op = history::parse_line(first, 1)) {
    if (*op) {
      auto line = history::format_line(**op);
      auto again = history::parse_line(std::string_view{line}.substr(0, line.size() - 1), 1);
      FORESHIFT_ENSURE(again && *again == *op);
    }
  } else {
    FORESHIFT_ENSURE(op.error().detail.starts_with("line 1, column "));
  }
  auto found = history::check_text(text);
  if (found && found->first)
    FORESHIFT_ENSURE(!describe(*found->first).empty());
  return 0;
}
