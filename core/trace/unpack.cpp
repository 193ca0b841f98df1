// SPDX-License-Identifier: Apache-2.0
#include "core/trace/byte_source.hpp"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

namespace foreshift {

namespace {

constexpr std::uint64_t packer_memory_max = 256u << 20;
constexpr int zstd_window_log_max = 27;
constexpr std::size_t piece_bytes = 128u << 10;

/// What is left of the packed bytes to unpack.
struct packed_span {
  const char* at = nullptr;
  std::size_t size = 0;
};

/// One packer's state: takes from `in`, fills from `out`, both as far as possible.
class unpacker {
public:
  virtual ~unpacker() = default;
  /// Returns bytes written; `last`: no input follows `in`. A reason when the data is damaged.
  virtual std::size_t step(packed_span& in, std::span<char> out, bool last) = 0;
  /// Whether the data may end here.
  virtual bool whole() const = 0;
  const char* broken = nullptr;
};

class gzip_unpacker final : public unpacker {
public:
  gzip_unpacker() {
    constexpr int gzip_only = 16;
    if (inflateInit2(&z_, gzip_only + MAX_WBITS) != Z_OK)
      broken = "out of memory";
  }
  ~gzip_unpacker() override { inflateEnd(&z_); }
  gzip_unpacker(const gzip_unpacker&) = delete;
  gzip_unpacker& operator=(const gzip_unpacker&) = delete;

  std::size_t step(packed_span& in, std::span<char> out, bool) override {
    if (whole_ && in.size > 0) { // another member follows
      inflateReset(&z_);
      whole_ = false;
    }
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.at));
    z_.avail_in = static_cast<uInt>(in.size);
    z_.next_out = reinterpret_cast<Bytef*>(out.data());
    z_.avail_out = static_cast<uInt>(out.size());
    auto code = inflate(&z_, Z_NO_FLUSH);
    in.at += in.size - z_.avail_in;
    in.size = z_.avail_in;
    if (code == Z_STREAM_END)
      whole_ = true;
    else if (code != Z_OK && code != Z_BUF_ERROR)
      broken = "the gzip data is damaged";
    return out.size() - z_.avail_out;
  }

  bool whole() const override { return whole_; }

private:
  z_stream z_{};
  bool whole_ = false;
};

class zstd_unpacker final : public unpacker {
public:
  zstd_unpacker() : z_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
    ZSTD_DCtx_setParameter(z_.get(), ZSTD_d_windowLogMax, zstd_window_log_max);
  }

  std::size_t step(packed_span& in, std::span<char> out, bool) override {
    ZSTD_inBuffer from{in.at, in.size, 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    auto left = ZSTD_decompressStream(z_.get(), &to, &from);
    if (ZSTD_isError(left))
      broken = "the zstd data is damaged";
    else if (from.pos > 0 || to.pos > 0)
      whole_ = left == 0;
    in.at += from.pos;
    in.size -= from.pos;
    return to.pos;
  }

  bool whole() const override { return whole_; }

private:
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> z_;
  bool whole_ = false;
};

class xz_unpacker final : public unpacker {
public:
  xz_unpacker() {
    if (lzma_stream_decoder(&z_, packer_memory_max, LZMA_CONCATENATED) != LZMA_OK)
      broken = "out of memory";
  }
  ~xz_unpacker() override { lzma_end(&z_); }
  xz_unpacker(const xz_unpacker&) = delete;
  xz_unpacker& operator=(const xz_unpacker&) = delete;

  std::size_t step(packed_span& in, std::span<char> out, bool last) override {
    if (whole_)
      return 0;
    z_.next_in = reinterpret_cast<const std::uint8_t*>(in.at);
    z_.avail_in = in.size;
    z_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    z_.avail_out = out.size();
    auto code = lzma_code(&z_, last ? LZMA_FINISH : LZMA_RUN);
    in.at += in.size - z_.avail_in;
    in.size = z_.avail_in;
    if (code == LZMA_STREAM_END)
      whole_ = true;
    else if (code == LZMA_MEMLIMIT_ERROR)
      broken = "the xz data asks for more than 256 MiB of memory";
    else if (code != LZMA_OK && code != LZMA_BUF_ERROR)
      broken = "the xz data is damaged";
    return out.size() - z_.avail_out;
  }

  bool whole() const override { return whole_; }

private:
  lzma_stream z_ = LZMA_STREAM_INIT;
  bool whole_ = false;
};

/// The packed source with its first bytes, which were looked at, put back in front.
class packed_source final : public byte_source {
public:
  packed_source(std::unique_ptr<byte_source> from, std::string head, std::unique_ptr<unpacker> how)
      : from_(std::move(from)), how_(std::move(how)), piece_(std::max(piece_bytes, head.size())) {
    std::memcpy(piece_.data(), head.data(), head.size());
    in_ = {piece_.data(), head.size()};
  }

  result<std::size_t> read(std::span<char> out) override {
    for (;;) {
      if (in_.size == 0 && !last_) {
        auto got = from_->read(piece_);
        if (!got)
          return got.error();
        last_ = *got == 0;
        in_ = {piece_.data(), *got};
      }
      if (!how_)
        return pass(out);
      auto before = in_.size;
      auto got = how_->step(in_, out, last_);
      if (how_->broken != nullptr)
        return fault{errc::malformed, how_->broken};
      if (got > 0)
        return got;
      if (last_ && in_.size == before) {
        if (!how_->whole())
          return fault{errc::malformed, "the compressed data is cut off"};
        return std::size_t{0};
      }
    }
  }

  std::uint64_t taken() const override { return from_->taken() - in_.size; }

private:
  std::size_t pass(std::span<char> out) {
    auto count = std::min(out.size(), in_.size);
    std::memcpy(out.data(), in_.at, count);
    in_.at += count;
    in_.size -= count;
    return count;
  }

  std::unique_ptr<byte_source> from_;
  std::unique_ptr<unpacker> how_; ///< None: not packed.
  std::vector<char> piece_;
  packed_span in_;
  bool last_ = false;
};

std::unique_ptr<unpacker> unpacker_for(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.starts_with("\x1f\x8b"sv))
    return std::make_unique<gzip_unpacker>();
  if (head.starts_with("\x28\xb5\x2f\xfd"sv))
    return std::make_unique<zstd_unpacker>();
  if (head.starts_with("\xfd\x37zXZ\0"sv))
    return std::make_unique<xz_unpacker>();
  return nullptr;
}

} // namespace

result<std::unique_ptr<byte_source>> unpacked(std::unique_ptr<byte_source> packed) {
  constexpr std::size_t magic_bytes = 6;
  std::string head(magic_bytes, '\0');
  std::size_t have = 0;
  while (have < head.size()) {
    auto got = packed->read({head.data() + have, head.size() - have});
    if (!got)
      return got.error();
    if (*got == 0)
      break;
    have += *got;
  }
  head.resize(have);
  auto how = unpacker_for(head);
  return std::unique_ptr<byte_source>{
      std::make_unique<packed_source>(std::move(packed), std::move(head), std::move(how))};
}

} // namespace foreshift
