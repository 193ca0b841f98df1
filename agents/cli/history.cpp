// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/commands.hpp"
#include "core/history/file.hpp"

#include <fmt/format.h>

namespace foreshift::cli {

namespace {

constexpr int not_linearizable = 1;
constexpr int malformed_file = 2;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '"';
}

/// 64-bit numbers stand in quotes, as in every other JSON answer.
std::string to_json(const history::verdict& v) {
  auto out = fmt::format(R"({{"linearizable": {}, "operations": "{}", "blocks": "{}", )"
                         R"("reads": "{}", "updates": "{}", "uncertain": "{}")",
                         !v.first, v.operations, v.blocks, v.reads, v.updates, v.uncertain);
  if (v.first) {
    out += fmt::format(R"(, "block": "{}", "why": {}, "conflict": [)", v.first->block,
                       quoted(v.first->why));
    const char* separator = "";
    for (const auto& op : v.first->conflict)
      out += std::exchange(separator, ", ") + quoted(describe(op));
    out += "]";
  }
  return out + "}";
}

} // namespace

int check_history(session& s, const std::string& path) {
  auto found = history::check_file(path);
  if (!found) {
    std::fprintf(stderr, "foreshift: %s\n", found.error().detail.c_str());
    return found.error().code == errc::malformed ? malformed_file : exit_code(found.error().code);
  }
  if (s.json())
    fmt::print("{}\n", to_json(*found));
  else if (found->first)
    fmt::print("{}", describe(*found->first));
  else
    fmt::print("linearizable: {} operations on {} blocks ({} reads, {} writes, {} of uncertain "
               "outcome)\n",
               found->operations, found->blocks, found->reads, found->updates, found->uncertain);
  return found->first ? not_linearizable : 0;
}

} // namespace foreshift::cli
