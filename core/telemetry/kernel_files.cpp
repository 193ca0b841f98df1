// SPDX-License-Identifier: Apache-2.0
#include "core/telemetry/kernel_files.hpp"

#include <fstream>

namespace foreshift {

std::optional<std::string> kernel_files::read(std::string_view path) const {
  constexpr std::size_t bytes_max = 1u << 20;
  constexpr std::size_t step = 16u << 10;
  std::ifstream file(root_ + "/" + std::string{path}, std::ios::binary);
  std::string out;
  // Sizes of kernel files are not known before they are read.
  while (file && out.size() < bytes_max) {
    auto old = out.size();
    out.resize(old + step);
    file.read(out.data() + old, static_cast<std::streamsize>(step));
    out.resize(old + static_cast<std::size_t>(file.gcount()));
  }
  return file.eof() ? std::optional{std::move(out)} : std::nullopt;
}

} // namespace foreshift
