// SPDX-License-Identifier: Apache-2.0
#include "core/door/kj_warnings.hpp"

#include "core/base/log.hpp"
#include "core/door/envelope.hpp"
#include "core/door/guarded_stream.hpp"
#include "core/door/io_loop.hpp"
#include "core/door/sockets.hpp"
#include "core/door/tls.hpp"

#include <capnp/rpc-twoparty.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <unordered_map>

namespace foreshift::door {

namespace {

/// An attempt to connect, handshake included, that takes longer has failed.
constexpr int connect_s_max = 5;

/// One connection to a door.
struct session {
  explicit session(kj::Own<kj::AsyncIoStream> raw)
      : stream(kj::mv(raw)),
        network(stream, capnp::rpc::twoparty::Side::CLIENT, {frame_bytes_max / 8 + 1024, 64}),
        rpc(capnp::makeRpcClient(network)), door(bootstrap()) {}

  guarded_stream stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
  schema::Door::Client door;

private:
  schema::Door::Client bootstrap() {
    capnp::MallocMessageBuilder message;
    auto whom = message.initRoot<capnp::rpc::twoparty::VatId>();
    whom.setSide(capnp::rpc::twoparty::Side::SERVER);
    return rpc.bootstrap(whom).castAs<schema::Door>();
  }
};

/// Everything of a client that lives on the io thread.
class client_core final : public kj::TaskSet::ErrorHandler {
public:
  client_core(io_thread::impl& io, client_options options)
      : io_(io), options_(std::move(options)), tasks_(kj::heap<kj::TaskSet>(*this)) {}

  ~client_core() {
    tasks_ = nullptr; // nobody else answers from here on
    for (auto& [id, reply] : std::exchange(pending_, {}))
      reply(fault{errc::canceled, fmt::format("the client of {} was closed", options_.address)});
  }

  void call(envelope request, std::chrono::milliseconds timeout, answer reply) {
    if (pending_.size() >= options_.requests_max)
      return reply(fault{errc::busy, fmt::format("{} requests to {} are in progress already",
                                                 options_.requests_max, options_.address)});
    auto id = ++last_id_;
    pending_.emplace(id, std::move(reply));
    auto late = io_.timer().afterDelay(timeout.count() * kj::MILLISECONDS).then([this, timeout] {
      return result<envelope>{fault{errc::timeout, fmt::format("no answer from {} within {} ms",
                                                               options_.address, timeout.count())}};
    });
    auto done = connected()
                    .then([this, request = std::move(request)] { return send(request); })
                    .exclusiveJoin(kj::mv(late));
    tasks_->add(done.then(
        [this, id](result<envelope>&& got) { finish(id, std::move(got)); },
        [this, id](kj::Exception&& why) { finish(id, to_fault(why, options_.address)); }));
  }

private:
  void finish(std::uint64_t id, result<envelope> got) {
    auto found = pending_.find(id);
    if (found == pending_.end())
      return;
    auto reply = std::move(found->second);
    pending_.erase(found);
    reply(std::move(got));
  }

  kj::Promise<result<envelope>> send(const envelope& request) {
    if (session_.get() == nullptr)
      return result<envelope>{connect_fault_};
    auto message = session_->door.callRequest(size_hint(request));
    write_envelope(message.initRequest(), request);
    return message.send().then(
        [](capnp::Response<schema::Door::CallResults>&& got) -> result<envelope> {
          auto out = read_envelope(got.getReply());
          if (auto why = as_fault(out))
            return *std::move(why);
          return out;
        },
        [this, which = generation_](kj::Exception&& why) -> result<envelope> {
          if (why.getType() == kj::Exception::Type::DISCONNECTED)
            retire(which);
          return to_fault(why, options_.address);
        });
  }

  /// Resolves when there is a session or `connect_fault_` says why not.
  kj::Promise<void> connected() {
    if (session_.get() != nullptr)
      return kj::READY_NOW;
    if (!connecting_) {
      connecting_ = true;
      auto limit = io_.timer().afterDelay(connect_s_max * kj::SECONDS).then([] {
        return kj::Promise<void>{KJ_EXCEPTION(DISCONNECTED, "it does not answer")};
      });
      attempt_ = connect()
                     .exclusiveJoin(kj::mv(limit))
                     .then([this] { connecting_ = false; },
                           [this](kj::Exception&& why) {
                             connecting_ = false;
                             connect_fault_ = {errc::unreachable,
                                               fmt::format("cannot reach {}: {}", options_.address,
                                                           why.getDescription().cStr())};
                           })
                     .fork();
    }
    return attempt_.addBranch();
  }

  kj::Promise<void> connect() {
    if (!options_.tls.empty() && !options_.address.starts_with("unix:") && tls_.get() == nullptr) {
      auto tls = open_tls(options_.tls, io_.timer());
      if (!tls) {
        connect_fault_ = tls.error();
        return kj::READY_NOW;
      }
      tls_ = *std::move(tls);
    }
    return io_.io()
        .provider->getNetwork()
        .parseAddress(options_.address.c_str())
        .then([](kj::Own<kj::NetworkAddress>&& address) {
          auto stream = address->connect();
          return stream.attach(kj::mv(address));
        })
        .then([this](kj::Own<kj::AsyncIoStream>&& stream) {
          tune(*stream);
          return secure(kj::mv(stream));
        })
        .then([this](kj::Own<kj::AsyncIoStream>&& stream) { adopt(kj::mv(stream)); });
  }

  kj::Promise<kj::Own<kj::AsyncIoStream>> secure(kj::Own<kj::AsyncIoStream> stream) {
    if (tls_.get() == nullptr)
      return kj::mv(stream);
    auto name = options_.server_name.empty() ? host_of(options_.address) : options_.server_name;
    auto wrapped = tls_->wrapClient(kj::mv(stream), name.c_str());
    return wrapped.attach(kj::heapString(name.c_str()));
  }

  void adopt(kj::Own<kj::AsyncIoStream> stream) {
    session_ = kj::heap<session>(kj::mv(stream));
    auto lost = session_->network.onDisconnect().exclusiveJoin(session_->stream.when_broken());
    tasks_->add(lost.then([this, which = ++generation_] { retire(which); }));
  }

  /// Drops a lost session, so that the next call connects anew.
  void retire(std::uint64_t which) {
    if (which != generation_ || session_.get() == nullptr)
      return;
    // Not here: this may run in a continuation of one of its promises.
    tasks_->add(kj::evalLater([old = kj::mv(session_)] {}));
  }

  void taskFailed(kj::Exception&& why) override {
    slog::debug("a connection ended address={} why={}", options_.address,
                why.getDescription().cStr());
  }

  io_thread::impl& io_;
  const client_options options_;
  std::unordered_map<std::uint64_t, answer> pending_;
  std::uint64_t last_id_ = 0;
  kj::Own<kj::TlsContext> tls_;
  kj::Own<session> session_;
  std::uint64_t generation_ = 0;
  fault connect_fault_;
  bool connecting_ = false;
  kj::ForkedPromise<void> attempt_ = nullptr;
  kj::Own<kj::TaskSet> tasks_; // last: its tasks refer to everything above
};

/// The handle outside the io thread.
class client_handle final : public client {
public:
  client_handle(io_thread::impl& io, client_options options)
      : queue_(io.queue), address_(options.address) {
    queue_->run([&] { core_ = std::make_shared<client_core>(io, std::move(options)); });
  }

  ~client_handle() override {
    // From within a reply the destruction has to wait until kj has left that call.
    auto end = [core = std::move(core_)]() mutable { core.reset(); };
    FORESHIFT_ENSURE(queue_->here() ? queue_->post(std::move(end)) : queue_->run(std::move(end)));
  }

  void call(envelope request, std::chrono::milliseconds timeout, answer reply) override {
    auto wait = std::clamp(timeout, std::chrono::milliseconds{1}, timeout_max);
    auto send = [weak = std::weak_ptr{core_}, request = std::move(request), wait,
                 reply = std::move(reply)]() mutable {
      if (auto ok = check_size(request); !ok)
        reply(ok.error());
      else if (auto core = weak.lock())
        core->call(std::move(request), wait, std::move(reply));
      else
        reply(fault{errc::canceled, "the client was closed"});
    };
    FORESHIFT_ENSURE(queue_->post_or_run(std::move(send)));
  }

  const std::string& address() const override { return address_; }

private:
  static constexpr std::chrono::milliseconds timeout_max = std::chrono::hours{24};

  std::shared_ptr<io_queue> queue_;
  std::shared_ptr<client_core> core_;
  const std::string address_;
};

} // namespace

std::unique_ptr<client> client::open(io_thread& io, client_options options) {
  return std::make_unique<client_handle>(io.get(), std::move(options));
}

result<envelope> client::call(envelope request, std::chrono::milliseconds timeout) {
  FORESHIFT_ENSURE(!on_io_thread());
  auto done = std::make_shared<std::promise<result<envelope>>>();
  call(std::move(request), timeout,
       [done](result<envelope> got) { done->set_value(std::move(got)); });
  return done->get_future().get();
}

} // namespace foreshift::door
