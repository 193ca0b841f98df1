// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/table.hpp"

#include <algorithm>
#include <cstdio>

namespace foreshift::cli {

namespace {

/// Columns a UTF-8 text takes, when every character is one wide.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void append(std::string& out, const std::string& cell, std::size_t to, align side, bool last) {
  std::string pad(to - width(cell), ' ');
  if (side == align::right)
    out += pad + cell;
  else
    out += last ? cell : cell + pad;
  out += last ? "\n" : "  ";
}

} // namespace

void table::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (auto& cell : cells)
    for (auto& c : cell)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
        c = '?';
  rows_.push_back(std::move(cells));
}

std::string table::render() const {
  std::vector<std::size_t> widths;
  bool header = false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto most = width(columns_[i].title);
    header = header || most > 0;
    for (const auto& cells : rows_)
      most = std::max(most, width(cells[i]));
    widths.push_back(most);
  }
  std::string out;
  auto line = [&](auto&& text) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      append(out, text(i), widths[i], columns_[i].side, i + 1 == columns_.size());
  };
  if (header)
    line([&](std::size_t i) { return columns_[i].title; });
  for (const auto& cells : rows_)
    line([&](std::size_t i) { return cells[i]; });
  return out;
}

void table::print(const char* when_empty) const {
  if (rows_.empty())
    std::puts(when_empty);
  else
    std::fputs(render().c_str(), stdout);
}

} // namespace foreshift::cli
