// SPDX-License-Identifier: Apache-2.0
#include "core/history/history.hpp"

#include <fmt/format.h>

namespace foreshift::history {

std::string describe(const operation& op) {
  auto out = op.line == 0 ? std::string{} : fmt::format("line {}: ", op.line);
  out += fmt::format("client {} ", op.client);
  if (op.kind == op_kind::write)
    out += fmt::format("wrote stamp {} to", op.stamp);
  else if (op.kind == op_kind::zero)
    out += "zeroed";
  else if (op.stamp == torn_stamp)
    out += "read bytes that are no stamped block from";
  else
    out += fmt::format("read stamp {} from", op.stamp);
  out += fmt::format(" block {}, began {}", op.block, op.start);
  out += op.end == never ? ", never ended" : fmt::format(", ended {}", op.end);
  if (op.how != outcome::ok)
    out += op.how == outcome::failed ? " (failed: may have taken effect)"
                                     : " (outcome unknown: may have taken effect)";
  return out;
}

} // namespace foreshift::history
