// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace foreshift::test {

/// A door::client without a network: answers at once by a rule, or holds requests until released.
class fake_client final : public door::client {
public:
  using rule = std::function<result<door::envelope>(const door::envelope&,
                                                    std::chrono::milliseconds timeout)>;

  void answer_with(rule x) { rule_ = std::move(x); }

  /// Requests held so far; a released one stays counted.
  std::size_t held() const { return held_.size(); }

  const door::envelope& request(std::size_t i) const { return held_.at(i).first; }

  void release(std::size_t i, result<door::envelope> got) {
    std::exchange(held_.at(i).second, nullptr)(std::move(got));
  }

  void call(door::envelope request, std::chrono::milliseconds timeout,
            door::answer reply) override {
    if (rule_)
      reply(rule_(request, timeout));
    else
      held_.emplace_back(std::move(request), std::move(reply));
  }

  const std::string& address() const override { return address_; }

private:
  rule rule_;
  std::vector<std::pair<door::envelope, door::answer>> held_;
  std::string address_ = "fake";
};

} // namespace foreshift::test
