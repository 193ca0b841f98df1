# SPDX-License-Identifier: Apache-2.0
@0x8809823da7e196d4;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("foreshift::schema");

# The one generic door between processes: an actor message in, an actor message out.

interface Door {
  call @0 (request :Envelope) -> (reply :Envelope);
  # A failed request is answered with a `Fault` envelope, never with an RPC exception.
}

struct Envelope {
  typeId  @0 :UInt64;   # Cap'n Proto type id of the struct in `payload`
  payload @1 :Data;     # canonical single-segment encoding; at most 8 MiB
}

struct Fault {
  code   @0 :UInt16;    # foreshift::errc
  detail @1 :Text;      # one sentence for people
}

struct Done {
  # Success that has nothing more to say.
}

struct Ping {
  # -> Pong. Heartbeat, and "who is there".
}

struct Pong {
  role    @0 :Text;     # coordinator, agent, plane
  name    @1 :Text;     # host name; empty for a coordinator
  version @2 :Text;
  pid     @3 :UInt32;
}
