// SPDX-License-Identifier: Apache-2.0
#include "core/volume/volume_policy.hpp"

#include <array>

namespace foreshift {

namespace {

constexpr std::array<std::string_view, 4> follow_names{"cell", "expected", "all", "none"};

/// A record of a later version may name a rule that this one does not know.
follow_rule known(follow_rule x) {
  return static_cast<std::size_t>(x) < follow_names.size() ? x : follow_rule::CELL;
}

} // namespace

volume_policy decode_policy(schema::VolumePolicy::Reader in) {
  return {in.getImplicitFlip(), known(in.getFollow())};
}

void encode_policy(const volume_policy& x, schema::VolumePolicy::Builder out) {
  out.setImplicitFlip(x.implicit_flip);
  out.setFollow(x.follow);
}

std::string_view name_of(follow_rule rule) {
  return follow_names[static_cast<std::size_t>(known(rule))];
}

result<follow_rule> parse_follow(std::string_view text) {
  for (std::size_t i = 0; i < follow_names.size(); ++i)
    if (follow_names[i] == text)
      return static_cast<follow_rule>(i);
  return fault{errc::invalid,
               "'" + std::string{text.substr(0, 40)} + "' is not cell, expected, all or none"};
}

result<void> set_policy(volume_policy& x, std::string_view key, std::string_view value) {
  if (key == "implicit-flip") {
    if (value != "on" && value != "off")
      return fault{errc::invalid, "implicit-flip is on or off"};
    x.implicit_flip = value == "on";
    return {};
  }
  if (key == "follow") {
    auto rule = parse_follow(value);
    if (!rule)
      return fault{errc::invalid, "follow: " + rule.error().detail};
    x.follow = *rule;
    return {};
  }
  return fault{errc::invalid, "'" + std::string{key.substr(0, 40)}
                                  + "' is no key of a volume's policy: implicit-flip, follow"};
}

} // namespace foreshift
