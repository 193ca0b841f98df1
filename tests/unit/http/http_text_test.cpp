// SPDX-License-Identifier: Apache-2.0
#include "core/http/http_text.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::http;

TEST_CASE("only this machine's own names are loopback names") {
  for (auto good : {"localhost", "localhost:7480", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:9"})
    CHECK(is_loopback_name(good));
  for (auto bad : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80",
                   "[::1", "[::2]:9", "xlocalhost"})
    CHECK_FALSE(is_loopback_name(bad));
}

TEST_CASE("query fields become an object whose values are text or truth") {
  CHECK(query_json({}) == "{}");
  CHECK(query_json({{"name", "db"}, {"all", "true"}, {"id", "7"}})
        == R"({"all":true,"id":"7","name":"db"})");
  CHECK(query_json({{"name", "\"}\xff"}}) == "{\"name\":\"\\\"}\xef\xbf\xbd\"}");
}

TEST_CASE("a fault is told with its code and its sentence") {
  CHECK(fault_json({errc::not_found, "no \"x\""})
        == "{\"code\":\"not_found\",\"detail\":\"no \\\"x\\\"\"}\n");
  CHECK(status_of(errc::not_found) == 404);
  CHECK(status_of(errc::busy) == 409);
  CHECK(status_of(errc::corrupt) == 500);
}
