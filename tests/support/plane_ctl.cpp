// SPDX-License-Identifier: Apache-2.0
// Asks a data plane's door by hand: plane_ctl ADDRESS VERB [JSON]. Prints the answer as JSON.
// Two spare forms help with maps: `plane_ctl - placement SPEC_JSON [HOST:FIRST-LAST ...]` prints a
// Placement with those replicas added, `-HOST:FIRST-LAST` removes them, `!HOST` is lost; `?HOST`
// prints instead what that host holds in sync.
#include "core/base/log.hpp"
#include "core/codec/json.hpp"
#include "core/door/door.hpp"
#include "core/volume/placement.hpp"
#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

#include <capnp/compat/json.h>

#include <cstdio>
#include <functional>
#include <map>
#include <string>

using namespace foreshift;

namespace {

template <class Schema>
packet<Schema> from_json(const std::string& text) {
  capnp::JsonCodec codec;
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Schema>();
  codec.decode(kj::StringPtr{text.c_str()}, root);
  return packet<Schema>::seal(root.asReader());
}

using asker = std::function<result<std::string>(door::client&, const std::string&)>;

template <class Request, class Reply>
result<std::string> ask(door::client& client, const std::string& json) {
  auto got = client.ask<Reply>(from_json<Request>(json), std::chrono::seconds{60});
  if (!got)
    return got.error();
  return to_json(*got, true);
}

const std::map<std::string, asker> verbs{
    {"ping", ask<schema::Ping, schema::Pong>},
    {"configure", ask<schema::PlaneConfigure, schema::Done>},
    {"forget", ask<schema::PlaneForget, schema::Done>},
    {"prepare", ask<schema::PlanePrepare, schema::Done>},
    {"standby", ask<schema::PlaneStandby, schema::Done>},
    {"takeover", ask<schema::PlaneTakeover, schema::FlipTimes>},
    {"drain", ask<schema::PlaneDrain, schema::Done>},
    {"promote", ask<schema::PlanePromote, schema::PlanePromoted>},
    {"release", ask<schema::PlaneRelease, schema::Done>},
    {"adopt", ask<schema::PlaneAdopt, schema::Done>},
    {"stage", ask<schema::PlaneStage, schema::Done>},
    {"mirror", ask<schema::PlaneMirror, schema::Done>},
    {"pull", ask<schema::PlanePull, schema::PlanePulled>},
    {"verify", ask<schema::PlaneVerify, schema::Done>},
    {"digest", ask<schema::PlaneDigest, schema::PlaneDigests>},
    {"commit", ask<schema::PlaneCommit, schema::Done>},
    {"abort", ask<schema::PlaneAbort, schema::Done>},
    {"retire", ask<schema::PlaneRetire, schema::Done>},
    {"status", ask<schema::PlaneStatusGet, schema::PlaneStatus>},
    {"log", ask<schema::PlaneLogGet, schema::PlaneLog>},
    {"watch", ask<schema::PlaneWatch, schema::Done>},
    {"unwatch", ask<schema::PlaneUnwatch, schema::Done>},
    {"changed", ask<schema::PlaneChangedGet, schema::PlaneChanged>},
    {"hashes", ask<schema::PlaneBlockHashes, schema::PlaneBlocks>},
    {"suspects", ask<schema::PlaneSuspectsWait, schema::PlaneSuspects>},
    {"inventory", ask<schema::PlaneInventoryGet, schema::PlaneInventory>},
};

int print_placement(int argc, char** argv) {
  placement_map map{decode_shape(from_json<schema::VolumeSpec>(argv[3]).read())};
  for (int i = 4; i < argc; ++i) {
    std::string what = argv[i];
    if (what.starts_with("?")) {
      for (auto extent : map.in_sync(what.substr(1)))
        std::printf("%u\n", extent);
      return 0;
    }
    if (what.starts_with("!")) {
      auto next = map.with_lost(what.substr(1));
      if (!next) {
        std::fprintf(stderr, "%s\n", to_string(next.error()).c_str());
        return 1;
      }
      map = *next;
      continue;
    }
    bool remove = what.starts_with("-");
    auto colon = what.find(':');
    auto dash = what.find('-', colon);
    auto host = what.substr(remove ? 1 : 0, colon - (remove ? 1 : 0));
    std::vector<std::uint32_t> extents;
    auto last = std::stoul(what.substr(dash + 1));
    for (auto e = std::stoul(what.substr(colon + 1, dash - colon - 1)); e <= last; ++e)
      extents.push_back(static_cast<std::uint32_t>(e));
    map = remove ? map.without_replica(host, extents) : map.with_replica(host, extents);
  }
  std::puts(to_json(map.encode(), false).c_str());
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc >= 4 && std::string{argv[2]} == "placement")
    return print_placement(argc, argv);
  auto verb = argc >= 3 ? verbs.find(argv[2]) : verbs.end();
  if (verb == verbs.end()) {
    std::fputs("usage: plane_ctl ADDRESS VERB [JSON]\n", stderr);
    return 2;
  }
  door::io_thread io;
  auto client = door::client::open(io, {argv[1]});
  auto got = verb->second(*client, argc > 3 ? argv[3] : "{}");
  client.reset();
  std::fprintf(got ? stdout : stderr, "%s\n", got ? got->c_str() : to_string(got.error()).c_str());
  return got ? 0 : exit_code(got.error().code);
}
