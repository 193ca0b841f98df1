// SPDX-License-Identifier: Apache-2.0
#include "actors/base/remote.hpp"

#include <fmt/format.h>

namespace foreshift {

remote_calls::remote_calls(post to_self, std::shared_ptr<door::client> client,
                           remote_options options)
    : to_self_(std::move(to_self)), client_(std::move(client)), options_(options) {}

remote_calls::~remote_calls() {
  // CAF 0.17 drops a promise silently, which would leave the asker to its timeout.
  for (auto& [id, then] : std::exchange(waiting_, {}))
    then(fault{errc::canceled, fmt::format("the proxy of {} has ended", client_->address())});
}

void remote_calls::start(door::envelope request, deliver then) {
  if (waiting_.size() >= options_.requests_max)
    return then(fault{errc::busy, fmt::format("{} requests to {} are in progress already",
                                              options_.requests_max, client_->address())});
  auto id = ++last_id_;
  waiting_.emplace(id, std::move(then));
  client_->call(std::move(request), options_.timeout,
                [id, to_self = to_self_](result<door::envelope> got) {
                  to_self({id, std::make_shared<const result<door::envelope>>(std::move(got))});
                });
}

void remote_calls::finish(const door_reply& reply) {
  auto found = waiting_.find(reply.id);
  if (found == waiting_.end())
    return;
  auto then = std::move(found->second);
  waiting_.erase(found);
  then(*reply.got);
}

} // namespace foreshift
