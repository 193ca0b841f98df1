// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/trace/trace_support.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace foreshift;

namespace {

const std::string alibaba = "7,R,0,4096,1000\n";

/// A good line, the bad one, a good line: an error with its place, or skipped and counted.
void is_bad(const std::string& line, const std::string& place_and_why,
            const std::string& good = alibaba) {
  CAPTURE(line);
  auto text = good + line + "\n" + good;
  CHECK(read_trace(text).fault_text() == "t:2:" + place_and_why);
  read_trace rest(text, lenient());
  CHECK_FALSE(rest.why);
  CHECK(rest.requests.size() == 2);
  CHECK(rest.counts.skipped == 1);
  CHECK(rest.counts.first_bad == "t:2:" + place_and_why);
}

} // namespace

TEST_CASE("a bad line is an error with file, line and column, or is skipped and counted") {
  is_bad("7,R,0,4096", "11: a field is missing");
  is_bad("7,R,0,4096,1001,5", "17: something behind the last field");
  is_bad("7,X,0,4096,1001", "3: neither R nor W");
  is_bad("7,R,zero,4096,1001", "5: no number");
  is_bad("7,R,-4096,4096,1001", "5: no number");
  is_bad("7,R,12junk,4096,1001", "5: no number");
  is_bad("7,R,,4096,1001", "5: no number");
  is_bad("7,R,0x10,4096,1001", "5: no number");
  is_bad(",R,0,4096,1001", "1: a field is empty");
}

TEST_CASE("sizes of zero and of 4 GiB are no requests") {
  is_bad("7,R,0,0,1001", "7: the size is zero");
  is_bad("7,R,0,4294967296,1001", "7: a size of 4 GiB or more");
  is_bad("8 0 0 0", "3: the size is zero", "8 8 0 0\n");
  CHECK(read_trace("fio version 3 iolog\n9 /a read 0 1\n10 /a read 0 0\n").fault_text()
        == "t:3:14: the size is zero");
}

TEST_CASE("offsets beyond 63 bits are refused wherever they overflow") {
  is_bad("7,R,18446744073709551616,4096,1001", "5: a number beyond 64 bits");
  is_bad("7,R,9223372036854775807,4096,1001",
         "1: the request reaches beyond the last address that can be told apart");
  is_bad("18014398509481984 8 0 0", "1: a block beyond 63 bits of bytes", "8 8 0 0\n");
  trace_options small;
  small.offset_end = 8192;
  CHECK(read_trace("7,R,4096,4096,1\n", small).requests.size() == 1);
  CHECK(read_trace("7,R,4097,4096,1\n", small).why);
}

TEST_CASE("NaN, infinity and exponents are no times") {
  std::string good = "1,100,28,512,1\n";
  for (std::string time : {"nan", "NaN", "inf", "1e3", "-1", "", ".5", "1.2.3"})
    is_bad("1," + time + ",28,512,1", "3: no number", good);
  is_bad("1,99999999999999999,28,512,1", "3: a time beyond 64 bits", good);
}

TEST_CASE("time that goes back a little is straightened and counted, more is a bad line") {
  read_trace late("7,R,0,512,50000000\n7,R,0,512,40000000\n7,R,0,512,50000001\n");
  CHECK_FALSE(late.why);
  CHECK(late.counts.reordered == 1);
  REQUIRE(late.requests.size() == 3);
  CHECK(late.requests[1].at_us == 50000000);
  is_bad("7,R,0,512,39999999", "1: time goes back by more than 10 s", "7,R,0,512,50000000\n");
}

TEST_CASE("an unsorted trace is an error, or what fits is taken") {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "7,R,0,512," + std::to_string((i * 37 % 100) * 60'000'000ll) + "\n";
  CHECK(read_trace(text).fault_text() == "t:4:1: time goes back by more than 10 s");
  read_trace rest(text, lenient());
  CHECK(rest.counts.skipped + rest.requests.size() == 100);
  for (std::size_t i = 1; i < rest.requests.size(); ++i)
    CHECK(rest.requests[i - 1].at_us <= rest.requests[i].at_us);
}

TEST_CASE("empty, blank and binary traces say what they are not") {
  CHECK(read_trace("").fault_text() == "t is empty");
  CHECK(read_trace("\n\n\n").fault_text().find("t begins like no trace") == 0);
  std::mt19937_64 random(3);
  std::string noise(100'000, '\0');
  for (auto& c : noise)
    c = static_cast<char>(random());
  CHECK(read_trace(noise).fault_text().find("t begins like no trace") == 0);
  CHECK(read_trace(std::string(50'000, '\0')).why);
}

TEST_CASE("binary rubbish in a text trace is a bad line, however long") {
  std::string rubbish(200'000, '\x01');
  read_trace found(alibaba + rubbish + "\n" + alibaba, lenient());
  CHECK(found.requests.size() == 2);
  CHECK(found.counts.skipped == 1);
  CHECK(found.counts.first_bad == "t:2:65537: the line is longer than any format's");
  CHECK(read_trace(alibaba + rubbish, lenient()).requests.size() == 1);
}

TEST_CASE("a line of another format is a bad line") {
  is_bad("128166372003061629,hm,1,Read,383496192,32768,413", "20: neither R nor W");
  is_bad("230027 8 0 0", "13: a field is missing");
}

TEST_CASE("a trace cut off in a line or a record is told") {
  CHECK(read_trace(alibaba + "7,R,40").fault_text() == "t:2:7: a field is missing");
  auto record = vscsi_record(2, 0x28, 4096, 10, 1000);
  read_trace found(record + record + record.substr(0, 9));
  CHECK(found.fault_text() == "t:3:10: the record is cut off");
  CHECK(read_trace(record + record.substr(0, 39), lenient()).counts.skipped == 1);
}

TEST_CASE("bad VSCSI records name the byte that is wrong") {
  auto good = vscsi_record(1, 0x28, 4096, 10, 1000);
  CHECK(read_trace(good + good + vscsi_record(2, 0x28, 4096, 10, 1000).substr(0, 32)).fault_text()
        == "t:3:15: another version than the trace's");
  CHECK(read_trace(good + vscsi_record(1, 0x28, 0, 10, 1000)).fault_text()
        == "t:2:5: the size is zero");
  CHECK(read_trace(good + vscsi_record(1, 0x28, 1, ~0ull, 1000)).fault_text()
        == "t:2:17: a block beyond 63 bits of bytes");
  CHECK(read_trace(good + vscsi_record(1, 0x28, 1, 1, ~0ull)).fault_text()
        == "t:2:25: a time beyond 62 bits");
}

TEST_CASE("an iolog without its first line, or of another version, is refused") {
  trace_options fio;
  fio.format = trace_format::fio;
  CHECK(read_trace("/a read 0 4096\n", fio).fault_text()
        == "t:1:1: no 'fio version N iolog' before it");
  CHECK(read_trace("fio version 4 iolog\n", fio).fault_text()
        == "t:1:13: an iolog version other than 2 and 3");
  CHECK(read_trace("fio version 3 iolog\n1 /a wait 5\n", fio).fault_text()
        == "t:2:11: 'wait' in version 3");
}

TEST_CASE("lines may end with CR LF, the last one with nothing, the first begin with a mark") {
  read_trace found("\xef\xbb\xbf"
                   "7,R,0,4096,1000\r\n\r\n7,W,0,4096,1001");
  CHECK_FALSE(found.why);
  CHECK(found.requests.size() == 2);
}
