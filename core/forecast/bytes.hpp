// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace foreshift {

static_assert(std::endian::native == std::endian::little);

/// Appends plain values and arrays as they lie in memory, little-endian.
class byte_writer {
public:
  template <class T>
  void put(const T& value) {
    static_assert(std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  template <class T>
  void put_all(const std::vector<T>& values) {
    static_assert(std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);
    put(static_cast<std::uint64_t>(values.size()));
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }

  const std::string& bytes() const { return bytes_; }

private:
  std::string bytes_;
};

/// Reads them back from bytes nobody vouches for. After a failure `ok` is false and values are
/// zero.
class byte_reader {
public:
  explicit byte_reader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T get() {
    T out{};
    if (bytes_.size() < sizeof out)
      return fail(), out;
    std::memcpy(&out, bytes_.data(), sizeof out);
    bytes_.remove_prefix(sizeof out);
    return out;
  }

  /// At most `count_max` values; memory is taken only for what is there.
  template <class T>
  std::vector<T> get_all(std::uint64_t count_max) {
    auto count = get<std::uint64_t>();
    if (count > count_max || count > bytes_.size() / sizeof(T))
      return fail(), std::vector<T>{};
    std::vector<T> out(count);
    if (count > 0)
      std::memcpy(out.data(), bytes_.data(), count * sizeof(T));
    bytes_.remove_prefix(count * sizeof(T));
    return out;
  }

  /// Exactly `count` values.
  template <class T>
  std::vector<T> get_column(std::uint64_t count) {
    auto out = get_all<T>(count);
    require(out.size() == count);
    return out;
  }

  /// At most `count_max` amounts: not negative, and small enough that sums of them stay finite.
  std::vector<float> get_amounts(std::uint64_t count_max) {
    auto out = get_all<float>(count_max);
    for (auto value : out)
      require(value >= 0 && value <= amount_max);
    return out;
  }
  double get_amount() {
    auto out = get<double>();
    require(out >= 0 && out <= amount_max);
    return out;
  }

  void require(bool condition) {
    if (!condition)
      fail();
  }

  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }

private:
  static constexpr float amount_max = 1e15f;

  void fail() {
    ok_ = false;
    bytes_ = {};
  }

  std::string_view bytes_;
  bool ok_ = true;
};

} // namespace foreshift
