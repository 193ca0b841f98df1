// SPDX-License-Identifier: Apache-2.0
#include "core/http/http_server.hpp"

#include "schemas/api.capnp.h"
#include "schemas/door.capnp.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace foreshift;
using namespace foreshift::http;

namespace {

/// Sends bytes as they are and returns all that comes until the server closes.
std::string exchange(std::uint16_t port, const std::string& bytes) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  std::string out;
  char piece[4096];
  for (ssize_t got = 0; (got = ::recv(fd, piece, sizeof piece, 0)) > 0;)
    out.append(piece, static_cast<std::size_t>(got));
  ::close(fd);
  return out;
}

/// A server whose only volume is "db"; deleting it is noted.
struct fixture {
  fixture() {
    json_api api;
    api.offer<schema::VolumeShow, schema::VolumeInfo>();
    api.offer<schema::VolumeDelete, schema::Done>();
    api.offer<schema::TaskShow, schema::Task>();
    auto service = [this](door::envelope request, const door::peer&, door::answer reply) {
      if (auto show = door::unwrap<schema::VolumeShow>(request)) {
        if (show->read().getName() != "db")
          return reply(fault{errc::not_found, "no such volume"});
        return reply(door::wrap(
            packet<schema::VolumeInfo>::make([](auto out) { out.initSpec().setName("db"); })));
      }
      if (auto task = door::unwrap<schema::TaskShow>(request))
        return reply(door::wrap(
            packet<schema::Task>::make([&](auto out) { out.setId(task->read().getId()); })));
      ++deleted;
      reply(door::wrap(packet<schema::Done>{}));
    };
    auto hello = [](const door::peer& from, std::function<void(result<page>)> answer) {
      answer(page{"text/plain", "hello " + from.role});
    };
    auto opened =
        http_server::open(io, {.address = "127.0.0.1:0"}, api, service, {{"/hello", hello}});
    REQUIRE(opened);
    server = *std::move(opened);
  }

  std::string ask(const std::string& line, const std::string& headers = "",
                  const std::string& body = "", const std::string& host = "localhost") {
    return exchange(server->port(), line + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers
                                        + "Content-Length: " + std::to_string(body.size())
                                        + "\r\nConnection: close\r\n\r\n" + body);
  }

  door::io_thread io;
  int deleted = 0;
  std::unique_ptr<http_server> server;
};

bool says(const std::string& answer, std::string_view status, std::string_view words) {
  CAPTURE(answer);
  bool ok = answer.starts_with("HTTP/1.1 " + std::string{status})
            && answer.find(words) != std::string::npos;
  CHECK(ok);
  return ok;
}

const std::string json_type = "Content-Type: application/json\r\n";

} // namespace

TEST_CASE("a question is a GET with fields, or a POST of JSON") {
  fixture f;
  says(f.ask("GET /v1/VolumeShow?name=db"), "200", "\"name\": \"db\"");
  says(f.ask("POST /v1/VolumeShow", json_type, R"({"name": "db"})"), "200", "\"name\": \"db\"");
  says(f.ask("GET /v1/TaskShow?id=18446744073709551615"), "200", "\"18446744073709551615\"");
  says(f.ask("GET /v1"), "200", R"({"verbs":["TaskShow","VolumeDelete","VolumeShow"]})");
  says(f.ask("GET /hello"), "200", "hello local");
}

TEST_CASE("errors come with a status and a sentence") {
  fixture f;
  says(f.ask("GET /v1/VolumeShow?name=other"), "404", "no such volume");
  says(f.ask("GET /v1/VolumeShown"), "405", "POST");
  says(f.ask("POST /v1/VolumeShown", json_type, "{}"), "404", "did you mean 'VolumeShow'?");
  says(f.ask("POST /v1/VolumeShow", json_type, "{"), "400", "invalid");
  says(f.ask("POST /v1/VolumeShow", json_type, R"({"nmae": "db"})"), "400", "nmae");
  says(f.ask("GET /nowhere"), "404", "/v1");
  says(f.ask("PUT /v1/VolumeShow", json_type, "{}"), "405", "POST");
}

TEST_CASE("a page of somebody else's cannot change anything") {
  fixture f;
  says(f.ask("GET /v1/VolumeDelete?name=db"), "405", "POST");
  says(f.ask("POST /v1/VolumeDelete", "Content-Type: text/plain\r\n", R"({"name": "db"})"), "415",
       "application/json");
  says(f.ask("POST /v1/VolumeDelete", json_type, R"({"name": "db"})", "rebound.example"), "403",
       "loopback");
  CHECK(f.deleted == 0);
  says(f.ask("POST /v1/VolumeDelete", json_type, R"({"name": "db"})"), "200", "{}");
  CHECK(f.deleted == 1);
}

TEST_CASE("large bodies, deep JSON and rubbish harm nobody") {
  fixture f;
  says(f.ask("POST /v1/VolumeShow", json_type, std::string(2u << 20, ' ')), "413", "1 MiB");
  says(f.ask("POST /v1/VolumeShow", json_type, std::string(100'000, '[')), "400", "invalid");
  CHECK(exchange(f.server->port(), std::string(100, '\0')).find("200") == std::string::npos);
  CHECK(exchange(f.server->port(), "").empty());
  says(f.ask("GET /v1/VolumeShow?name=db"), "200", "\"name\": \"db\"");
}

TEST_CASE("no port beyond loopback without TLS") {
  door::io_thread io;
  auto opened = http_server::open(io, {.address = "0.0.0.0:0"}, {}, {}, {});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == errc::invalid);
  CHECK(opened.error().detail.find("certificate") != std::string::npos);
}
