// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/verbs.hpp"

#include <caf/actor_system_config.hpp>

#include <cstddef>

namespace foreshift {

/// Configuration of a program's one actor system. CAF reads no file and no arguments of its own: it
/// would accept unknown keys silently.
///
///   actor_config config{options.threads};
///   config.know<plane_verbs>().know<agent_verbs>();
///   caf::actor_system system{config};
class actor_config : public caf::actor_system_config {
public:
  /// `threads` workers; 0: one a core, at least two.
  explicit actor_config(std::size_t threads = 0);

  /// Gives the packets of a verbs<...> list names in CAF's renderings of messages.
  template <class Verbs>
  actor_config& know() {
    Verbs::each([&]<class Verb>() {
      name_packet<typename Verb::request>();
      name_packet<typename Verb::reply>();
    });
    return *this;
  }

private:
  template <class Schema>
  void name_packet() {
    std::string name{capnp::Schema::from<Schema>().getShortDisplayName().cStr()};
    add_message_type<packet<Schema>>("packet/" + name);
  }
};

} // namespace foreshift
