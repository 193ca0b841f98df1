// SPDX-License-Identifier: Apache-2.0
#include "core/base/config_entry.hpp"
#include "core/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace foreshift {

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

std::string_view leaf_of(std::string_view key) {
  return key.substr(key.rfind('.') + 1);
}

/// How far a mistyped key is from a known one; the right name in the wrong table is near too.
std::size_t key_distance(std::string_view typed, std::string_view known) {
  constexpr std::size_t wrong_table = 2;
  return std::min(edit_distance(typed, known),
                  edit_distance(leaf_of(typed), leaf_of(known)) + wrong_table);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (auto c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out + '"';
}

/// The largest of `units` that divides `amount`, so that the text says the value exactly.
std::string exact(std::uint64_t amount,
                  std::initializer_list<std::pair<std::uint64_t, std::string_view>> units) {
  for (auto [size, name] : units)
    if (amount != 0 && amount % size == 0)
      return fmt::format("\"{}{}\"", amount / size, name);
  return {};
}

} // namespace

std::string_view table_of(std::string_view key) {
  auto dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}

std::string_view nearest_key(std::string_view typed, std::span<const std::string_view> known) {
  auto nearest = std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
    return key_distance(typed, a) < key_distance(typed, b);
  });
  return nearest == known.end() ? std::string_view{} : *nearest;
}

std::string config_reader::entry::expects() const {
  switch (type) {
  case config_kind::text:
    return "a string";
  case config_kind::texts:
    return "an array of strings";
  case config_kind::flag:
    return "true or false";
  case config_kind::number:
    return fmt::format("a whole number from {} to {}", min, max);
  case config_kind::bytes:
    return "a size like \"64MiB\" or a whole number of bytes, at least 0";
  case config_kind::duration:
    return "a duration like \"60s\" or a whole number of seconds, at least 0";
  case config_kind::share:
    return "a share like \"90%\" or a number from 0 to 1";
  }
  return {};
}

std::string config_reader::entry::current() const {
  switch (type) {
  case config_kind::text:
    return quoted(*std::get<std::string*>(out));
  case config_kind::texts: {
    std::string joined;
    for (auto& item : *std::get<config_texts*>(out))
      joined += (joined.empty() ? "" : ", ") + quoted(item);
    return "[" + joined + "]";
  }
  case config_kind::flag:
    return *std::get<bool*>(out) ? "true" : "false";
  case config_kind::number:
    return fmt::format("{}", *std::get<std::uint64_t*>(out));
  case config_kind::bytes: {
    auto bytes = *std::get<std::uint64_t*>(out);
    auto text = exact(bytes, {{tib, "TiB"}, {gib, "GiB"}, {mib, "MiB"}, {kib, "KiB"}, {1, "B"}});
    return text.empty() ? "0" : text;
  }
  case config_kind::duration: {
    auto ms = std::get<std::chrono::milliseconds*>(out)->count();
    auto text = exact(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)),
                      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}, {1, "ms"}});
    return text.empty() ? "0" : text;
  }
  case config_kind::share: {
    auto text = fmt::format("{}", *std::get<double*>(out));
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }
  }
  return {};
}

std::string config_reader::example() const {
  std::vector<const entry*> order;
  for (auto& known : entries_)
    order.push_back(&known);
  // Keys outside any table come first, then tables in the order in which they were first named.
  auto rank = [&](const entry* item) {
    auto table = table_of(item->key);
    auto first = std::find_if(entries_.begin(), entries_.end(),
                              [&](auto& known) { return table_of(known.key) == table; });
    return table.empty() ? 0 : 1 + (first - entries_.begin());
  };
  std::stable_sort(order.begin(), order.end(), [&](auto* a, auto* b) { return rank(a) < rank(b); });
  std::string out;
  std::string_view open;
  for (auto* item : order) {
    if (auto table = table_of(item->key); table != open) {
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", table);
      open = table;
    }
    std::string help = "# ";
    for (auto c : item->help + (item->required ? " (required)" : ""))
      help += c == '\n' ? std::string{"\n# "} : std::string{c};
    out += fmt::format("{}\n{} = {}\n", help, leaf_of(item->key), item->current());
  }
  return out;
}

} // namespace foreshift
