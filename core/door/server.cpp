// SPDX-License-Identifier: Apache-2.0
#include "core/door/kj_warnings.hpp"

#include "core/door/acceptor.hpp"
#include "core/door/envelope.hpp"
#include "core/door/guarded_stream.hpp"

#include <capnp/rpc-twoparty.h>
#include <fmt/format.h>

#include <atomic>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>

namespace foreshift::door {

namespace {

class server_core;

/// One request's right to an answer. Whoever holds the last copy and gives none, answers `failed`.
class answer_token {
public:
  answer_token(std::shared_ptr<io_queue> queue, std::weak_ptr<server_core> core, std::uint64_t id)
      : queue_(std::move(queue)), core_(std::move(core)), id_(id) {}
  ~answer_token() { give(fault{errc::failed, "the service ended without an answer"}); }
  answer_token(const answer_token&) = delete;
  answer_token& operator=(const answer_token&) = delete;

  /// Counts once; later calls do nothing. Any thread, also after the server's end.
  void give(result<envelope> reply);

private:
  std::shared_ptr<io_queue> queue_;
  std::weak_ptr<server_core> core_; // locked only on the io thread, so that the core dies there
  std::uint64_t id_;
  std::atomic<bool> used_ = false;
};

/// The RPC object of one connection.
class door_object final : public schema::Door::Server {
public:
  door_object(std::weak_ptr<server_core> core, peer from)
      : core_(std::move(core)), from_(std::move(from)) {}

  kj::Promise<void> call(CallContext context) override;

private:
  std::weak_ptr<server_core> core_;
  peer from_;
};

struct connection {
  connection(kj::Own<kj::AsyncIoStream> raw, capnp::Capability::Client object)
      : stream(kj::mv(raw)),
        network(stream, capnp::rpc::twoparty::Side::SERVER, {frame_bytes_max / 8 + 1024, 64}),
        rpc(capnp::makeRpcServer(network, kj::mv(object))) {
    // Unanswered requests of one connection, in words: two of the largest.
    rpc.setFlowLimit(2 * frame_bytes_max / 8);
  }

  guarded_stream stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
};

/// Everything of a server that lives on the io thread.
class server_core final : public std::enable_shared_from_this<server_core> {
public:
  server_core(io_thread::impl& io, server_options options, service handler)
      : io_(io), options_(std::move(options)), handler_(std::move(handler)) {}

  ~server_core() {
    for (auto& [id, waiting] : pending_)
      waiting->fulfill(fault{errc::canceled, "the server is going down"});
  }

  result<void> start(listening at) {
    auto opened = acceptor::open(io_, std::move(at), options_.connections_max,
                                 [this](kj::Own<kj::AsyncIoStream> stream, peer from) {
                                   return host(kj::mv(stream), std::move(from));
                                 });
    if (!opened)
      return opened.error();
    connections_ = *std::move(opened);
    return {};
  }

  kj::Promise<result<envelope>> serve(envelope request, const peer& from) {
    if (pending_.size() >= options_.requests_max)
      return result<envelope>{fault{
          errc::busy, fmt::format("{} requests are in progress already", options_.requests_max)}};
    auto id = ++last_id_;
    auto waiting = kj::newPromiseAndFulfiller<result<envelope>>();
    pending_.emplace(id, kj::mv(waiting.fulfiller));
    auto token = std::make_shared<answer_token>(io_.queue, weak_from_this(), id);
    handler_(std::move(request), from,
             [token](result<envelope> reply) { token->give(std::move(reply)); });
    return kj::mv(waiting.promise);
  }

  void finish(std::uint64_t id, result<envelope> reply) {
    auto found = pending_.find(id);
    if (found == pending_.end())
      return;
    auto waiting = kj::mv(found->second);
    pending_.erase(found);
    if (reply)
      if (auto ok = check_size(*reply); !ok)
        reply = ok.error();
    waiting->fulfill(std::move(reply));
  }

private:
  kj::Promise<void> host(kj::Own<kj::AsyncIoStream> stream, peer from) {
    auto line = kj::heap<connection>(kj::mv(stream),
                                     kj::heap<door_object>(weak_from_this(), std::move(from)));
    auto silence = io_.timer()
                       .afterDelay(options_.silence_max.count() * kj::MILLISECONDS)
                       .then([&heard = line->stream]() -> kj::Promise<void> {
                         if (heard.frames() > 0)
                           return kj::NEVER_DONE;
                         return kj::READY_NOW;
                       });
    return line->network.onDisconnect()
        .exclusiveJoin(line->stream.when_broken())
        .exclusiveJoin(kj::mv(silence))
        .attach(kj::mv(line));
  }

  io_thread::impl& io_;
  const server_options options_;
  const service handler_;
  std::unordered_map<std::uint64_t, kj::Own<kj::PromiseFulfiller<result<envelope>>>> pending_;
  std::uint64_t last_id_ = 0;
  kj::Own<acceptor> connections_; // last: connections refer to everything above
};

void answer_token::give(result<envelope> reply) {
  if (used_.exchange(true))
    return;
  queue_->post_or_run([core = core_, id = id_, reply = std::move(reply)]() mutable {
    if (auto alive = core.lock())
      alive->finish(id, std::move(reply));
  });
}

kj::Promise<void> door_object::call(CallContext context) {
  auto core = core_.lock();
  if (core == nullptr)
    return KJ_EXCEPTION(DISCONNECTED, "the server is going down");
  auto request = read_envelope(context.getParams().getRequest());
  context.releaseParams();
  context.allowCancellation();
  return core->serve(std::move(request), from_).then([context](result<envelope>&& reply) mutable {
    auto out = reply ? *std::move(reply) : wrap_fault(reply.error());
    write_envelope(context.getResults(size_hint(out)).initReply(), out);
  });
}

/// The handle outside the io thread.
class server_handle final : public server {
public:
  server_handle(std::shared_ptr<io_queue> queue, std::uint16_t port)
      : queue_(std::move(queue)), port_(port) {}

  ~server_handle() override {
    // From within a service the destruction has to wait until kj has left that call.
    auto end = [core = std::move(core_)]() mutable { core.reset(); };
    FORESHIFT_ENSURE(queue_->here() ? queue_->post(std::move(end)) : queue_->run(std::move(end)));
    struct stat now {};
    if (!path_.empty() && ::stat(path_.c_str(), &now) == 0 && now.st_ino == inode_)
      ::unlink(path_.c_str());
  }

  std::uint16_t port() const override { return port_; }

  void own(std::shared_ptr<server_core> core) { core_ = std::move(core); }

  void own_file(const std::string& path) {
    struct stat file {};
    if (::stat(path.c_str(), &file) == 0) {
      path_ = path;
      inode_ = file.st_ino;
    }
  }

private:
  std::shared_ptr<io_queue> queue_;
  std::shared_ptr<server_core> core_;
  std::uint16_t port_;
  std::string path_;
  ino_t inode_ = 0;
};

} // namespace

result<std::unique_ptr<server>> server::open(io_thread& io, server_options options,
                                             service handler) {
  auto at = listen_on(options.address, options.tls);
  if (!at)
    return at.error();
  auto& thread = io.get();
  auto handle = std::make_unique<server_handle>(thread.queue, port_of(at->socket.get()));
  if (at->where.is_unix())
    handle->own_file(at->where.path());

  result<void> started;
  thread.queue->run([&] {
    auto core = std::make_shared<server_core>(thread, std::move(options), std::move(handler));
    started = core->start(*std::move(at));
    if (started)
      handle->own(std::move(core));
  });
  if (!started)
    return started.error();
  return std::unique_ptr<server>{std::move(handle)};
}

} // namespace foreshift::door
