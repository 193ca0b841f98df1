// SPDX-License-Identifier: Apache-2.0
#include "core/history/file.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <istream>
#include <system_error>

namespace foreshift::history {

namespace {

constexpr std::array<std::string_view, 3> kinds{"read", "write", "zero"};
constexpr std::array<std::string_view, 3> outcomes{"ok", "failed", "unknown"};

/// Takes a line apart field by field; remembers the first thing that was wrong.
class fields {
public:
  fields(std::string_view text, std::uint64_t line) : text_(text), line_(line) {}

  bool at_end() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
    return at_ == text_.size() || text_[at_] == '#';
  }

  std::string_view next(const char* what) {
    if (at_end()) {
      wrong(at_, fmt::format("{} expected", what));
      return {};
    }
    begin_ = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '\t' && text_[at_] != '\r')
      ++at_;
    return text_.substr(begin_, at_ - begin_);
  }

  template <class Number>
  Number number(const char* what, std::string_view word) {
    Number out = 0;
    auto [end, bad] = std::from_chars(word.data(), word.data() + word.size(), out);
    if (bad != std::errc{} || end != word.data() + word.size())
      wrong(begin_, fmt::format("{} expected, not '{}'", what, printable(word)));
    return out;
  }

  template <class Enum>
  Enum one_of(const std::array<std::string_view, 3>& names, const char* what) {
    auto word = next(what);
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == word)
        return static_cast<Enum>(i);
    wrong(begin_,
          fmt::format("{} expected ({}), not '{}'", what, fmt::join(names, ", "), printable(word)));
    return {};
  }

  void expect_end() {
    if (!at_end())
      wrong(at_, "nothing more expected on this line");
  }

  void wrong(std::size_t at, std::string why) {
    if (!why_)
      why_ = fault{errc::malformed, fmt::format("line {}, column {}: {}", line_, at + 1, why)};
  }
  std::size_t begin() const { return begin_; }
  const std::optional<fault>& why() const { return why_; }

private:
  static std::string printable(std::string_view word) {
    std::string out{word.substr(0, 40)};
    for (auto& c : out)
      if (c < ' ' || c > '~')
        c = '?';
    return out;
  }

  std::string_view text_;
  std::uint64_t line_;
  std::size_t at_ = 0, begin_ = 0;
  std::optional<fault> why_;
};

void read_stamp(fields& in, operation& op) {
  auto word = in.next("stamp");
  const auto at = in.begin();
  const bool read = op.kind == op_kind::read;
  if (word == "torn" && read)
    op.stamp = torn_stamp;
  else if (word == "-" && read)
    op.stamp = 0;
  else
    op.stamp = in.number<std::uint64_t>("stamp", word);
  if (op.kind == op_kind::write && (op.stamp == 0 || op.stamp == torn_stamp))
    in.wrong(at, "this stamp is reserved");
  if (op.kind == op_kind::zero && op.stamp != 0)
    in.wrong(at, "zeroes are stamp 0");
}

void read_end(fields& in, operation& op) {
  auto word = in.next("end time");
  const auto at = in.begin();
  op.end = word == "-" ? never : in.number<std::int64_t>("end time", word);
  if (op.end < op.start)
    in.wrong(at, "it ends before it begins");
}

/// Calls `each(operation)` for every operation of a stream.
template <class Each>
result<void> read_all(std::istream& in, Each&& each) {
  std::string text;
  for (std::uint64_t line = 1; std::getline(in, text); ++line) {
    auto op = parse_line(text, line);
    if (!op)
      return op.error();
    if (*op)
      each(**op);
  }
  if (in.bad())
    return fault{errc::storage, "the history cannot be read to its end"};
  return {};
}

void join(verdict& all, verdict part) {
  all.operations += part.operations;
  all.blocks += part.blocks;
  all.reads += part.reads;
  all.updates += part.updates;
  all.uncertain += part.uncertain;
  if (part.first && (!all.first || part.first->block < all.first->block))
    all.first = std::move(part.first);
}

} // namespace

result<std::optional<operation>> parse_line(std::string_view text, std::uint64_t line) {
  fields in{text, line};
  if (in.at_end())
    return std::optional<operation>{};
  if (text.size() > line_bytes_max)
    in.wrong(line_bytes_max, "the line is too long");
  operation op;
  op.line = line;
  op.client = in.number<std::uint32_t>("client number", in.next("client number"));
  op.kind = in.one_of<op_kind>(kinds, "kind");
  op.block = in.number<std::uint64_t>("block number", in.next("block number"));
  read_stamp(in, op);
  op.start = in.number<std::int64_t>("start time", in.next("start time"));
  read_end(in, op);
  op.how = in.one_of<outcome>(outcomes, "outcome");
  if (op.how == outcome::ok && op.end == never)
    in.wrong(in.begin(), "what ended well has an end time");
  in.expect_end();
  if (in.why())
    return *in.why();
  return std::optional{op};
}

std::string format_line(const operation& op) {
  auto stamp = op.stamp == torn_stamp ? std::string{"torn"} : std::to_string(op.stamp);
  auto end = op.end == never ? std::string{"-"} : std::to_string(op.end);
  return fmt::format("{} {} {} {} {} {} {}\n", op.client, kinds[static_cast<int>(op.kind)],
                     op.block, stamp, op.start, end, outcomes[static_cast<int>(op.how)]);
}

result<verdict> check_text(std::string_view text) {
  checker all;
  for (std::uint64_t line = 1; !text.empty(); ++line) {
    auto end = text.find('\n');
    auto op = parse_line(text.substr(0, end), line);
    if (!op)
      return op.error();
    if (*op)
      all.add(**op);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return all.finish();
}

result<verdict> check_file(const std::string& path, std::uint64_t operations_max) {
  std::ifstream in{path, std::ios::binary};
  if (!in)
    return fault{errno == ENOENT ? errc::not_found : errc::storage,
                 fmt::format("cannot open {}: {}", path, std::generic_category().message(errno))};
  std::uint64_t count = 0;
  if (auto ok = read_all(in, [&](const operation&) { ++count; }); !ok)
    return ok.error();
  verdict out;
  const auto parts = count / operations_max + 1;
  for (std::uint64_t part = 0; part < parts; ++part) {
    in.clear();
    in.seekg(0);
    checker some;
    auto ok = read_all(in, [&](const operation& op) {
      if (op.block % parts == part)
        some.add(op);
    });
    if (!ok)
      return ok.error();
    auto found = some.finish();
    if (!found)
      return found.error();
    join(out, std::move(*found));
  }
  return out;
}

} // namespace foreshift::history
