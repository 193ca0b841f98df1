// SPDX-License-Identifier: Apache-2.0
#include "core/vm/qmp_drives.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace foreshift;
using json = nlohmann::json;

namespace {

// As QEMU 7.2 says it, shortened.
const json blocks = json::parse(R"([
  {"device": "", "qdev": "/machine/peripheral/vd0/virtio-backend", "inserted":
    {"file": "nbd+unix:///vm1?socket=/run/foreshift/nbd.sock", "drv": "raw", "node-name": "d0"}},
  {"device": "vm2", "qdev": "vd1", "inserted":
    {"file": "json:{\"file\": {\"driver\": \"nbd\", \"export\": \"vm2-data\"}}",
     "drv": "raw", "node-name": "d1"}},
  {"device": "cd0", "locked": false},
  {"device": "local", "inserted": {"file": "/var/lib/x.img", "node-name": "d2"}}
])");
const json stats = json::parse(R"([
  {"device": "", "qdev": "/machine/peripheral/vd0/virtio-backend", "node-name": "d0", "stats":
    {"rd_operations": 10, "wr_operations": 20, "rd_bytes": 40960, "wr_bytes": 81920,
     "rd_total_time_ns": 5000000, "wr_total_time_ns": 9000000}},
  {"device": "vm2", "qdev": "vd1", "stats": {"rd_operations": 1}},
  {"device": "local", "stats": {"rd_operations": 99}},
  {"device": "cd0", "stats": {"rd_operations": 0}}
])");

} // namespace

TEST_CASE("the drives on our exports are found with what QEMU counted of them") {
  auto got = qmp::drives_of(blocks, stats);
  REQUIRE(got.size() == 2);
  CHECK(got[0] == qmp::drive{"vm1", 10, 20, 40960, 81920, 5'000'000, 9'000'000});
  CHECK(got[1] == qmp::drive{"vm2-data", 1, 0, 0, 0, 0, 0});
}

TEST_CASE("an export is read from every form in which QEMU prints it") {
  CHECK(qmp::export_in("nbd+unix:///vm1?socket=/run/nbd.sock") == "vm1");
  CHECK(qmp::export_in("nbd://127.0.0.1:10809/vm1") == "vm1");
  CHECK(qmp::export_in(R"(json:{"driver":"nbd","export":"vm1"})") == "vm1");
  for (auto text : {"", "/var/lib/x.img", "nbd", "nbd://", "nbd://host", "json:", "json:{",
                    "json:[1]", R"(json:{"export":3})", "http://host/vm1"})
    CHECK(qmp::export_in(text).empty());
}

TEST_CASE("answers that are not as they should be give no drives") {
  for (auto text :
       {"null", "{}", "[]", "[1]", "[{\"inserted\":3}]", "[{\"inserted\":{\"file\":[]}}]"}) {
    CHECK(qmp::drives_of(json::parse(text), stats).empty());
    CHECK(qmp::drives_of(blocks, json::parse(text)).empty());
  }
  auto strange = stats;
  strange[0]["stats"]["rd_operations"] = -5;
  strange[0]["stats"]["wr_bytes"] = "many";
  CHECK(qmp::drives_of(blocks, strange)[0]
        == qmp::drive{"vm1", 0, 20, 40960, 0, 5'000'000, 9'000'000});
}

TEST_CASE("how fast RAM gets dirty is told once it has been measured") {
  CHECK(qmp::dirty_bytes_in(json::parse(R"({"status":"measured","dirty-rate":3})")) == 3u << 20);
  CHECK(qmp::dirty_bytes_in(json::parse(R"({"status":"measuring","dirty-rate":3})")) == 0);
  CHECK(qmp::dirty_bytes_in(json::parse(R"({"status":"measured","dirty-rate":-1})")) == 0);
  CHECK(qmp::dirty_bytes_in(json::parse("[]")) == 0);
}
