// SPDX-License-Identifier: Apache-2.0
#include "core/volume/early_clients.hpp"

#include "core/volume/suspects.hpp"

#include <algorithm>

namespace foreshift {

void early_clients::expect(std::int64_t until_ns, std::shared_ptr<peer_link> primary) {
  std::lock_guard lock{mutex_};
  until_ns_ = until_ns;
  primary_ = std::move(primary);
}

std::shared_ptr<peer_link> early_clients::primary() const {
  std::lock_guard lock{mutex_};
  return clock_.monotonic_ns() < until_ns_ ? primary_ : nullptr;
}

early_clients::wish::wish(early_clients& owner) : owner_(owner) {
  {
    std::lock_guard lock{owner_.mutex_};
    if (owner_.wishing_++ == 0)
      owner_.since_ns_ = owner_.clock_.monotonic_ns();
  }
  if (owner_.board_)
    owner_.board_->wish(owner_.volume_);
}

early_clients::wish::~wish() {
  if (owner_.board_)
    owner_.board_->unwish(owner_.volume_);
  std::lock_guard lock{owner_.mutex_};
  --owner_.wishing_;
}

std::uint64_t early_clients::arrived() {
  std::lock_guard lock{mutex_};
  until_ns_ = std::numeric_limits<std::int64_t>::min();
  primary_.reset();
  if (wishing_ == 0)
    return 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(clock_.monotonic_ns() - since_ns_, 1000))
         / 1000;
}

} // namespace foreshift
