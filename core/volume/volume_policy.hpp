// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "schemas/volume.capnp.h"

#include <string>
#include <string_view>

namespace foreshift {

using follow_rule = schema::Follow;

/// What of a volume may change while it is in use (see VolumePolicy).
struct volume_policy {
  bool implicit_flip = false;
  follow_rule follow = follow_rule::CELL;

  friend bool operator==(const volume_policy&, const volume_policy&) = default;
};

volume_policy decode_policy(schema::VolumePolicy::Reader in);
void encode_policy(const volume_policy& x, schema::VolumePolicy::Builder out);

/// "cell", "expected", "all", "none".
std::string_view name_of(follow_rule rule);
/// `invalid` names the choices.
result<follow_rule> parse_follow(std::string_view text);

/// Sets one key as an operator types it: implicit-flip on|off, follow cell|expected|all|none.
/// `invalid` names the keys or the choices.
result<void> set_policy(volume_policy& x, std::string_view key, std::string_view value);

} // namespace foreshift
