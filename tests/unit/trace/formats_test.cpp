// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/trace/trace_support.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

using requests_t = std::vector<trace_request>;
constexpr auto rd = access_op::read;
constexpr auto wr = access_op::write;

void reads_as(const std::string& text, trace_format format, const requests_t& wanted) {
  read_trace found(text);
  CAPTURE(found.fault_text());
  CHECK_FALSE(found.why);
  CHECK(found.counts.format == format);
  CHECK(found.requests == wanted);
}

} // namespace

TEST_CASE("MSR Cambridge: file times of 100 ns, byte offsets, with and without a header") {
  std::string lines = "128166372003061629,hm,1,Read,383496192,32768,413\n"
                      "128166372003161639,hm,1,Write,4096,512,0\n";
  requests_t wanted{{12816637200306162, 383496192, 32768, rd}, {12816637200316163, 4096, 512, wr}};
  reads_as(lines, trace_format::msr, wanted);
  reads_as("Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n" + lines,
           trace_format::msr, wanted);
  CHECK(read_trace(lines).counts.volumes == std::vector<std::string>{"hm,1"});
}

TEST_CASE("Alibaba: microseconds and bytes") {
  reads_as("device_id,opcode,offset,length,timestamp\n"
           "419,W,8792731648,16384,1577808144360767\n419,R,0,4096,1577808144360768\n",
           trace_format::alibaba,
           {{1577808144360767, 8792731648, 16384, wr}, {1577808144360768, 0, 4096, rd}});
}

TEST_CASE("Tencent CBS: seconds and sectors") {
  reads_as(
      "1538323200,12910952,128,0,1063\n1538323201,8,8,1,1063\n", trace_format::tencent,
      {{1538323200'000000, 12910952ull * 512, 65536, rd}, {1538323201'000000, 4096, 4096, wr}});
}

TEST_CASE("CloudPhysics: seconds, bytes, sectors, hexadecimal SCSI operations") {
  reads_as("version,time,op,size,lbn\n1,5633898,2a,512,42932745\n1,5633898,28,6656,40409911\n"
           "2,5633899,35,0,0\n2,5633899.25,88,512,1\n",
           trace_format::cloudphysics,
           {{5633898'000000, 42932745ull * 512, 512, wr},
            {5633898'000000, 40409911ull * 512, 6656, rd},
            {5633899'250000, 512, 512, rd}});
}

TEST_CASE("fio iolog 3: microseconds on every line") {
  reads_as("fio version 3 iolog\n21 /dev/vda add\n226 /dev/vda open\n237 /dev/vda read 61440 4096\n"
           "300 /dev/vda sync 0 0\n412 /dev/vda write 0 8192\n500 /dev/vda trim 4096 4096\n"
           "600 /dev/vda close\n",
           trace_format::fio,
           {{237, 61440, 4096, rd}, {412, 0, 8192, wr}, {500, 4096, 4096, access_op::zero}});
}

TEST_CASE("fio iolog 2: time passes by its waits, or not at all") {
  std::string head = "fio version 2 iolog\n/a add\n/a open\n/a read 0 4096\n";
  reads_as(head + "/a wait 2000 0\n/a write 4096 512\n/a wait 500\n/a read 0 512\n",
           trace_format::fio, {{0, 0, 4096, rd}, {2000, 4096, 512, wr}, {2500, 0, 512, rd}});
  CHECK(read_trace(head + "/a wait 2000\n").counts.timed);
  CHECK_FALSE(read_trace(head).counts.timed);
}

TEST_CASE("blkparse: one action stands for a request, the queueing if it was traced") {
  std::string completed = "  8,0    1        9     0.000100000     0  C   R 500 + 8 [0]\n";
  std::string issued = "  8,0    1        3     0.000002000   697  D   R 500 + 8 [kworker]\n";
  std::string queued = "  8,0    1        1     0.000001000   697  Q   R 500 + 8 [fio]\n"
                       "  8,0    1        2     0.000001500   697  G   R 500 + 8 [fio]\n"
                       "  8,0    1        5     1.500000123   697  Q  WS 1000 + 16 [jbd2/sda]\n"
                       "  8,0    1        6     1.500000200   697  Q FWS [jbd2/sda]\n"
                       "  8,0    1        7     1.600000000   697  m   N cfq697 schedule\n"
                       "  8,0    1        8     1.700000000   697  Q   D 0 + 2048 [fstrim]\n";
  std::string summary = "CPU1 (sda):\n Reads Queued:           1,        4KiB\n\n"
                        "Total (sda):\nThroughput (R/W): 4KiB/s / 8KiB/s\nEvents (sda): 9 entries\n"
                        "Skips: 0 forward (0 -   0.0%)\n";
  reads_as(
      queued + issued + completed + summary, trace_format::blkparse,
      {{1, 256000, 4096, rd}, {1500000, 512000, 8192, wr}, {1700000, 0, 1048576, access_op::zero}});
  reads_as(issued + completed, trace_format::blkparse, {{2, 256000, 4096, rd}});
  reads_as(completed + summary, trace_format::blkparse, {{100, 256000, 4096, rd}});
}

TEST_CASE("VMware VSCSI: both record layouts, told apart by themselves") {
  for (unsigned version : {1u, 2u}) {
    auto bytes = vscsi_record(version, 0x28, 4096, 10, 1000)
                 + vscsi_record(version, 0x35, 0, 0, 1001)
                 + vscsi_record(version, 0x2a, 512, 11, 1002);
    reads_as(bytes, version == 1 ? trace_format::vscsi1 : trace_format::vscsi2,
             {{1000, 5120, 4096, rd}, {1002, 5632, 512, wr}});
  }
}

TEST_CASE("ARC: no times, spread evenly over a span") {
  std::string text = "230027 8 0 0\n1842745 64 7 1\n216082 8 0 2\n8 1 0 3\n";
  read_trace plain(text);
  CHECK(plain.counts.format == trace_format::arc);
  CHECK_FALSE(plain.counts.timed);
  trace_options options;
  options.spread = trace_spread{4, 1000};
  read_trace timed(text, options);
  REQUIRE(timed.requests.size() == 4);
  CHECK(timed.requests[0] == trace_request{0, 230027ull * 512, 4096, rd});
  CHECK(timed.requests[1] == trace_request{250, 1842745ull * 512, 32768, rd});
  CHECK(timed.requests[3].at_us == 750);
}

TEST_CASE("a format that is named is taken, whatever the trace begins with") {
  trace_options options;
  options.format = trace_format::arc;
  read_trace found("1,2,3\n8 8 0 0\n", options);
  CHECK(found.fault_text() == "t:1:1: no number");
}

TEST_CASE("names of formats can be read back, others are refused with the list") {
  for (auto format : {trace_format::automatic, trace_format::vscsi2, trace_format::blkparse}) {
    auto parsed = parse_trace_format(to_string(format));
    REQUIRE(parsed);
    CHECK(*parsed == format);
  }
  auto unknown = parse_trace_format("excel");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == errc::invalid);
  CHECK(unknown.error().detail.find("alibaba") != std::string::npos);
}

TEST_CASE("volumes of one trace lie side by side, or one is chosen") {
  std::string text = "7,R,0,4096,1000\n9,W,4096,512,1001\n7,R,8192,4096,1002\n";
  read_trace all(text);
  CHECK(all.counts.volumes == std::vector<std::string>{"7", "9"});
  REQUIRE(all.requests.size() == 3);
  CHECK(all.requests[1].offset == (1ull << 44) + 4096);
  CHECK(all.requests[2].offset == 8192);
  trace_options nine;
  nine.volume = "9";
  CHECK(read_trace(text, nine).requests == requests_t{{1001, 4096, 512, wr}});
  read_trace large("7,R,17592186044416,4096,1000\n9,W,4096,512,1001\n");
  CHECK(large.fault_text().find("t:2:1: several volumes") == 0);
}
