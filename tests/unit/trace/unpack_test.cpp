// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/trace/trace_support.hpp"

#include <doctest/doctest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

using namespace foreshift;

namespace {

std::string gzip(const std::string& in) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, in.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string zstd(const std::string& in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 3));
  return out;
}

std::string xz(const std::string& in) {
  std::string out(lzma_stream_buffer_bound(in.size()), '\0');
  std::size_t size = 0;
  REQUIRE(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr,
                                  reinterpret_cast<const std::uint8_t*>(in.data()), in.size(),
                                  reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size())
          == LZMA_OK);
  out.resize(size);
  return out;
}

/// About 1.4 MiB, so that every buffer on the way fills more than once.
std::string lines(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i)
    out += "7,R," + std::to_string((i * 2654435761u) & ~511u) + ",4096," + std::to_string(i) + "\n";
  return out;
}

} // namespace

TEST_CASE("gzip, zstd and xz are unpacked, also in several pieces, with the same requests") {
  constexpr int count = 50'000;
  auto plain = read_trace(lines(0, count), {}, 1000);
  REQUIRE(plain.requests.size() == count);
  for (auto pack : {gzip, zstd, xz}) {
    CHECK(read_trace(pack(lines(0, count)), {}, 1000).requests == plain.requests);
    auto pieces = pack(lines(0, 100)) + pack(lines(100, count));
    CHECK(read_trace(pieces, {}, 1000).requests == plain.requests);
  }
}

TEST_CASE("compressed data that is cut off or damaged is a fault, or lenient ends there") {
  for (auto pack : {gzip, zstd, xz}) {
    auto whole = pack(lines(0, 50'000));
    for (auto size : {whole.size() - 1, whole.size() - 9, whole.size() / 2}) {
      read_trace cut(whole.substr(0, size), {}, 1000);
      REQUIRE(cut.why);
      CHECK(cut.why->code == errc::malformed);
      CHECK(cut.fault_text().find("cut off") != std::string::npos);
      read_trace rest(whole.substr(0, size), lenient(), 1000);
      CHECK_FALSE(rest.why);
      CHECK(rest.counts.skipped >= 1);
      CHECK(rest.requests.size() <= 50'000);
    }
    auto damaged = whole;
    for (std::size_t i = whole.size() / 2; i < whole.size() / 2 + 64; ++i)
      damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
    CHECK(read_trace(damaged, {}, 1000).why);
  }
}

TEST_CASE("nothing, packed, is an empty trace") {
  for (auto pack : {gzip, zstd, xz})
    CHECK(read_trace(pack("")).fault_text() == "t is empty");
}

TEST_CASE("a file that is not there or is a directory says so") {
  auto missing = trace_reader::open("/nowhere/at/all", {});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == errc::not_found);
  auto directory = trace_reader::open("/", {});
  REQUIRE_FALSE(directory);
  CHECK(directory.error().detail == "/ is a directory");
}
