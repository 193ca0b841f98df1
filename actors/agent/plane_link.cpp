// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_link.hpp"

#include <fmt/format.h>

namespace foreshift {

namespace {

class plane_client final : public door::client {
public:
  plane_client(std::unique_ptr<door::client> inner, std::string host)
      : inner_(std::move(inner)), host_(std::move(host)) {}

  void call(door::envelope request, std::chrono::milliseconds timeout,
            door::answer reply) override {
    inner_->call(std::move(request), timeout,
                 [host = host_, reply = std::move(reply)](result<door::envelope> got) {
                   if (!got && got.error().code == errc::unreachable)
                     got = fault{
                         errc::unreachable,
                         fmt::format("the data plane of {} is down; its agent restarts it ({})",
                                     host, got.error().detail)};
                   reply(std::move(got));
                 });
  }

  const std::string& address() const override { return inner_->address(); }

private:
  std::unique_ptr<door::client> inner_;
  std::string host_;
};

} // namespace

std::shared_ptr<door::client> open_plane_client(door::io_thread& io, const std::string& socket,
                                                const std::string& host) {
  door::client_options options;
  options.address = "unix:" + socket;
  return std::make_shared<plane_client>(door::client::open(io, std::move(options)), host);
}

} // namespace foreshift
