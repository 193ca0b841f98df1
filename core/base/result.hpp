// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <optional>
#include <utility>
#include <variant>

namespace foreshift {

/// Either a `T` or a `fault`. Reading the wrong side is a bug and aborts.
template <class T>
class [[nodiscard]] result {
public:
  result(T value) : slot_(std::in_place_index<0>, std::move(value)) {}
  result(fault why) : slot_(std::in_place_index<1>, std::move(why)) {}

  explicit operator bool() const noexcept { return slot_.index() == 0; }

  T& operator*() & {
    FORESHIFT_ENSURE(*this);
    return *std::get_if<0>(&slot_);
  }
  T&& operator*() && {
    FORESHIFT_ENSURE(*this);
    return std::move(*std::get_if<0>(&slot_));
  }
  const T& operator*() const& {
    FORESHIFT_ENSURE(*this);
    return *std::get_if<0>(&slot_);
  }
  T* operator->() {
    FORESHIFT_ENSURE(*this);
    return std::get_if<0>(&slot_);
  }
  const T* operator->() const {
    FORESHIFT_ENSURE(*this);
    return std::get_if<0>(&slot_);
  }
  const fault& error() const {
    FORESHIFT_ENSURE(!*this);
    return *std::get_if<1>(&slot_);
  }

private:
  std::variant<T, fault> slot_;
};

/// Success without a value, or a `fault`. `return {};` means success.
template <>
class [[nodiscard]] result<void> {
public:
  result() = default;
  result(fault why) : why_(std::move(why)) {}

  explicit operator bool() const noexcept { return !why_; }
  const fault& error() const {
    FORESHIFT_ENSURE(why_);
    return *why_;
  }

private:
  std::optional<fault> why_;
};

} // namespace foreshift
