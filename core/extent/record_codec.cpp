// SPDX-License-Identifier: Apache-2.0
#include "core/extent/record_codec.hpp"

#include <concepts>

namespace foreshift {

namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t head_bytes = 10; ///< Of a volume's key: 'v', volume, kind.

template <std::unsigned_integral T>
void append_big(std::string& out, T value) {
  for (int shift = (sizeof(T) - 1) * 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

template <std::unsigned_integral T>
T take_big(std::string_view in) {
  T out = 0;
  for (auto byte : in)
    out = static_cast<T>(out << 8 | static_cast<std::uint8_t>(byte));
  return out;
}

template <std::unsigned_integral T>
void append_little(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<char>(value >> (i * 8)));
}

void append_text(std::string& out, std::string_view text) {
  append_little(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

/// Takes fields off the front; one step past the end makes it bad for good.
class field_reader {
public:
  explicit field_reader(std::string_view in) : in_(in) {}

  template <std::unsigned_integral T>
  T number() {
    auto bytes = take(sizeof(T));
    T out = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      out |= static_cast<T>(static_cast<T>(static_cast<std::uint8_t>(bytes[i])) << (i * 8));
    return out;
  }

  std::string text() { return std::string(take(number<std::uint32_t>())); }

  bool complete() const { return good_ && in_.empty(); }

private:
  std::string_view take(std::size_t size) {
    good_ = good_ && size <= in_.size();
    if (!good_)
      return {};
    auto out = in_.substr(0, size);
    in_.remove_prefix(size);
    return out;
  }

  std::string_view in_;
  bool good_ = true;
};

fault not_a(std::string_view what) {
  return {errc::malformed, "the database holds bytes that are not " + std::string(what)};
}

} // namespace

std::string volume_key(std::uint64_t volume, char kind) {
  std::string out = "v";
  append_big(out, volume);
  out.push_back(kind);
  return out;
}

std::string extent_key(std::uint64_t volume, std::uint32_t extent) {
  auto out = volume_key(volume, 'e');
  append_big(out, extent);
  return out;
}

std::string watch_key(std::uint64_t volume, std::uint64_t since) {
  auto out = volume_key(volume, 'w');
  append_big(out, since);
  return out;
}

std::string note_key(std::uint64_t volume, std::uint64_t since, std::uint32_t extent) {
  auto out = watch_key(volume, since);
  append_big(out, extent);
  return out;
}

std::string other_key(std::string_view key) {
  return "k" + std::string(key);
}

result<std::uint32_t> decode_extent_key(std::string_view key) {
  if (key.size() != head_bytes + sizeof(std::uint32_t))
    return not_a("an extent's key");
  return take_big<std::uint32_t>(key.substr(head_bytes));
}

result<watch_note> decode_watch_key(std::string_view key) {
  constexpr auto watch_bytes = head_bytes + sizeof(std::uint64_t);
  if (key.size() != watch_bytes && key.size() != watch_bytes + sizeof(std::uint32_t))
    return not_a("a watch's key");
  watch_note out{take_big<std::uint64_t>(key.substr(head_bytes, sizeof(std::uint64_t))), {}};
  if (key.size() > watch_bytes)
    out.extent = take_big<std::uint32_t>(key.substr(watch_bytes));
  return out;
}

std::string encode(const extent_record& record) {
  std::string out;
  append_little(out, format);
  append_little(out, static_cast<std::uint8_t>(record.state));
  append_little(out, record.move);
  return out;
}

result<extent_record> decode_record(std::string_view value) {
  field_reader in(value);
  auto version = in.number<std::uint8_t>();
  auto state = in.number<std::uint8_t>();
  auto move = in.number<std::uint64_t>();
  if (!in.complete() || version != format || state < 1 || state > 5)
    return not_a("an extent's record");
  return extent_record{static_cast<extent_record::kind>(state), move};
}

std::string encode(const fence_state& fence) {
  std::string out;
  append_little(out, format);
  append_little(out, fence.epoch);
  append_text(out, fence.holder);
  append_little(out, fence.prepared_epoch);
  append_text(out, fence.prepared_holder);
  return out;
}

result<fence_state> decode_fence(std::string_view value) {
  field_reader in(value);
  auto version = in.number<std::uint8_t>();
  fence_state out;
  out.epoch = in.number<std::uint64_t>();
  out.holder = in.text();
  out.prepared_epoch = in.number<std::uint64_t>();
  out.prepared_holder = in.text();
  if (!in.complete() || version != format)
    return not_a("a fence");
  return out;
}

std::string encode(const volume_layout& layout) {
  std::string out;
  append_little(out, format);
  append_little(out, layout.size_bytes);
  append_little(out, layout.extent_bytes);
  return out;
}

result<volume_layout> decode_layout(std::uint64_t volume, std::string_view value) {
  field_reader in(value);
  auto version = in.number<std::uint8_t>();
  volume_layout out;
  out.id = volume;
  out.size_bytes = in.number<std::uint64_t>();
  out.extent_bytes = in.number<std::uint32_t>();
  if (!in.complete() || version != format)
    return not_a("a volume's layout");
  return out;
}

} // namespace foreshift
