// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/lease/machine.hpp"
#include "schemas/agent.capnp.h"
#include "schemas/plane.capnp.h"

#include <set>
#include <string>
#include <utility>
#include <variant>

/// Names for what a crash may come between.
namespace foreshift::test {

template <class Schema>
bool names(const door::envelope& request, const char* name, std::string& out) {
  if (request.type != packet<Schema>::type_id)
    return false;
  out = name;
  return true;
}

inline std::string verb_name(const door::envelope& x) {
  std::string out = "a verb without a name here";
  using namespace schema;
  (void)(names<PlaneConfigure>(x, "PlaneConfigure", out)
         || names<PlanePrepare>(x, "PlanePrepare", out)
         || names<PlaneStandby>(x, "PlaneStandby", out)
         || names<PlaneTakeover>(x, "PlaneTakeover", out) || names<PlaneDrain>(x, "PlaneDrain", out)
         || names<PlanePromote>(x, "PlanePromote", out)
         || names<PlaneRelease>(x, "PlaneRelease", out) || names<PlaneStage>(x, "PlaneStage", out)
         || names<PlaneMirror>(x, "PlaneMirror", out) || names<AgentMove>(x, "AgentMove", out)
         || names<PlaneVerify>(x, "PlaneVerify", out) || names<PlaneDigest>(x, "PlaneDigest", out)
         || names<PlaneCommit>(x, "PlaneCommit", out) || names<PlaneAdopt>(x, "PlaneAdopt", out)
         || names<PlaneRetire>(x, "PlaneRetire", out) || names<PlaneWatch>(x, "PlaneWatch", out)
         || names<PlaneUnwatch>(x, "PlaneUnwatch", out)
         || names<PlaneChangedGet>(x, "PlaneChangedGet", out)
         || names<PlaneInventoryGet>(x, "PlaneInventoryGet", out)
         || names<PlaneStatusGet>(x, "PlaneStatusGet", out)
         || names<PlaneTrust>(x, "PlaneTrust", out) || names<PlaneAbort>(x, "PlaneAbort", out)
         || names<PlaneForget>(x, "PlaneForget", out));
  return out;
}

inline std::string step_of(const lease::action& next) {
  if (auto* send = std::get_if<lease::send>(&next))
    return verb_name(send->request);
  if (std::holds_alternative<lease::load>(next))
    return "read";
  if (std::holds_alternative<lease::pause>(next))
    return "pause";
  std::set<std::string> kinds;
  for (const auto& op : std::get<lease::commit>(next).ops)
    for (auto [prefix, kind] :
         {std::pair{"leases/", " lease"}, {"placements/", " placement"}, {"moves/", " move"}})
      if (op.key.starts_with(prefix))
        kinds.insert(kind);
  std::string out = "store";
  for (const auto& kind : kinds)
    out += kind;
  return out;
}

} // namespace foreshift::test
