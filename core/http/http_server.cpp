// SPDX-License-Identifier: Apache-2.0
#include "core/door/kj_warnings.hpp"

#include "core/http/http_server.hpp"

#include "core/door/acceptor.hpp"
#include "core/http/http_text.hpp"

#include <kj/compat/http.h>
#include <kj/compat/url.h>

#include <string_view>

namespace foreshift::http {

namespace {

using door::envelope;
using door::peer;

constexpr std::uint64_t body_bytes_max = 1u << 20;
constexpr std::string_view verbs_path = "/v1";

/// A status line and what follows it.
struct reply {
  unsigned status = 200;
  std::string type = "application/json";
  std::string body;
};

reply of_fault(const fault& why) {
  return {status_of(why.code), "application/json", fault_json(why)};
}

class http_core {
public:
  http_core(door::io_thread::impl& io, json_api api, door::service service,
            std::map<std::string, page_maker> pages, bool plain)
      : io_(io), api_(std::move(api)), service_(std::move(service)), pages_(std::move(pages)),
        plain_(plain) {}

  result<void> start(door::listening at, std::size_t connections_max);

  kj::Promise<reply> answer(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            const peer& from);

  const kj::HttpHeaderTable& table() const { return table_; }

private:
  kj::Promise<void> host(kj::Own<kj::AsyncIoStream> stream, peer from);
  kj::Promise<reply> verb(kj::HttpMethod method, const std::string& name, const kj::Url& url,
                          const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                          const peer& from);
  kj::Promise<reply> call(const std::string& name, std::string_view json, const peer& from);
  kj::Promise<reply> show(const page_maker& make, const peer& from);

  door::io_thread::impl& io_;
  kj::HttpHeaderTable table_;
  const json_api api_;
  const door::service service_;
  const std::map<std::string, page_maker> pages_;
  const bool plain_;
  kj::Own<door::acceptor> connections_; // last: connections refer to everything above
};

/// One connection's requests.
class http_connection final : public kj::HttpService {
public:
  http_connection(kj::Timer& timer, http_core& core, peer from)
      : server(timer, core.table(), *this), core_(core), from_(std::move(from)) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url,
                            const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                            Response& response) override {
    return core_.answer(method, url, headers, body, from_)
        .then([this, &response, head = method == kj::HttpMethod::HEAD](reply&& x) {
          kj::HttpHeaders out{core_.table()};
          out.set(kj::HttpHeaderId::CONTENT_TYPE, kj::heapString(x.type.c_str()));
          auto stream = response.send(x.status, text_of(x.status), out, x.body.size());
          if (head)
            return kj::Promise<void>{kj::READY_NOW};
          auto kept = kj::heap(std::move(x.body));
          auto put = stream->write(kept->data(), kept->size());
          return put.attach(kj::mv(kept), kj::mv(stream));
        });
  }

  kj::HttpServer server;

private:
  http_core& core_;
  peer from_;
};

result<void> http_core::start(door::listening at, std::size_t connections_max) {
  auto opened = door::acceptor::open(io_, std::move(at), connections_max,
                                     [this](kj::Own<kj::AsyncIoStream> stream, peer from) {
                                       return host(kj::mv(stream), std::move(from));
                                     });
  if (!opened)
    return opened.error();
  connections_ = *std::move(opened);
  return {};
}

kj::Promise<void> http_core::host(kj::Own<kj::AsyncIoStream> stream, peer from) {
  auto line = kj::heap<http_connection>(io_.timer(), *this, std::move(from));
  auto served = line->server.listenHttp(kj::mv(stream));
  return served.attach(kj::mv(line));
}

kj::Promise<reply> http_core::answer(kj::HttpMethod method, kj::StringPtr text,
                                     const kj::HttpHeaders& headers, kj::AsyncInputStream& body,
                                     const peer& from) {
  auto said = headers.get(kj::HttpHeaderId::HOST).orDefault("");
  if (plain_ && !is_loopback_name({said.begin(), said.size()}))
    return of_fault({errc::refused, "without TLS, only for a loopback name"});
  KJ_IF_MAYBE (url, kj::Url::tryParse(text, kj::Url::HTTP_REQUEST)) {
    std::string path;
    for (auto& part : url->path)
      path += "/" + std::string{part.cStr()};
    bool get = method == kj::HttpMethod::GET || method == kj::HttpMethod::HEAD;
    if (path == verbs_path && get)
      return reply{.body = names_json(api_.verbs())};
    if (path.starts_with(std::string{verbs_path} + "/"))
      return verb(method, path.substr(verbs_path.size() + 1), *url, headers, body, from);
    if (auto at = pages_.find(path); at != pages_.end() && get)
      return show(at->second, from);
    return of_fault({errc::not_found, "no page '" + path + "'; GET /v1 lists the verbs"});
  }
  return of_fault({errc::invalid, "that is no URL"});
}

kj::Promise<reply> http_core::verb(kj::HttpMethod method, const std::string& name,
                                   const kj::Url& url, const kj::HttpHeaders& headers,
                                   kj::AsyncInputStream& body, const peer& from) {
  if (method == kj::HttpMethod::GET) {
    if (!json_api::only_asks(name))
      return reply{405, "application/json",
                   fault_json({errc::invalid, name + " changes something: POST it"})};
    std::vector<std::pair<std::string, std::string>> fields;
    for (auto& x : url.query)
      fields.emplace_back(x.name.cStr(), x.value.cStr());
    return call(name, query_json(fields), from);
  }
  if (method != kj::HttpMethod::POST)
    return reply{405, "application/json", fault_json({errc::invalid, "GET or POST"})};
  auto type = headers.get(kj::HttpHeaderId::CONTENT_TYPE).orDefault("");
  if (!type.startsWith("application/json"))
    return reply{415, "application/json",
                 fault_json({errc::invalid, "the Content-Type must be application/json"})};
  return body.readAllBytes(body_bytes_max)
      .then(
          [this, name, from](kj::Array<kj::byte>&& got) {
            auto text = got.asChars();
            return call(name, {text.begin(), text.size()}, from);
          },
          [](kj::Exception&&) -> kj::Promise<reply> {
            return of_fault({errc::too_large, "a request has at most 1 MiB"});
          });
}

kj::Promise<reply> http_core::call(const std::string& name, std::string_view json,
                                   const peer& from) {
  auto request = api_.read(name, json);
  if (!request)
    return of_fault(request.error());
  auto waiting = kj::newPromiseAndCrossThreadFulfiller<result<envelope>>();
  auto give = std::make_shared<decltype(waiting.fulfiller)>(kj::mv(waiting.fulfiller));
  service_(*std::move(request), from,
           [give](result<envelope> got) { (*give)->fulfill(std::move(got)); });
  return waiting.promise.then([this](result<envelope>&& got) {
    if (!got)
      return of_fault(got.error());
    if (auto why = door::as_fault(*got))
      return of_fault(*why);
    auto text = api_.write(*got);
    return text ? reply{.body = *std::move(text) + "\n"} : of_fault(text.error());
  });
}

kj::Promise<reply> http_core::show(const page_maker& make, const peer& from) {
  auto waiting = kj::newPromiseAndCrossThreadFulfiller<result<page>>();
  auto give = std::make_shared<decltype(waiting.fulfiller)>(kj::mv(waiting.fulfiller));
  make(from, [give](result<page> got) { (*give)->fulfill(std::move(got)); });
  return waiting.promise.then([](result<page>&& got) {
    return got ? reply{200, got->type, std::move(got->body)} : of_fault(got.error());
  });
}

/// The handle outside the io thread.
class http_handle final : public http_server {
public:
  http_handle(std::shared_ptr<door::io_queue> queue, std::uint16_t port)
      : queue_(std::move(queue)), port_(port) {}

  ~http_handle() override {
    queue_->run([this] { core.reset(); });
  }

  std::uint16_t port() const override { return port_; }

  std::unique_ptr<http_core> core; ///< Lives on the io thread.

private:
  std::shared_ptr<door::io_queue> queue_;
  std::uint16_t port_;
};

} // namespace

result<std::unique_ptr<http_server>> http_server::open(door::io_thread& io, http_options options,
                                                       json_api api, door::service service,
                                                       std::map<std::string, page_maker> pages) {
  auto at = door::listen_on(options.address, options.tls);
  if (!at)
    return at.error();
  auto& thread = io.get();
  auto handle = std::make_unique<http_handle>(thread.queue, door::port_of(at->socket.get()));
  bool plain = at->tls.empty() && !at->where.is_unix();
  result<void> started;
  thread.queue->run([&] {
    handle->core = std::make_unique<http_core>(thread, std::move(api), std::move(service),
                                               std::move(pages), plain);
    started = handle->core->start(*std::move(at), options.connections_max);
  });
  if (!started)
    return started.error();
  return std::unique_ptr<http_server>{std::move(handle)};
}

} // namespace foreshift::http
