// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/engine.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace foreshift {

// "FSFC", u32 version, then one zstd frame with checksum over the fields in the order of `write`.

namespace {

constexpr std::string_view magic = "FSFC";
constexpr std::uint32_t version = 6;
constexpr std::size_t head_bytes = 8;

/// How many extents another forecaster may have kept.
std::size_t extents_loaded_max(const forecaster_options& options) {
  return std::max<std::size_t>(options.extents_max, 1u << 20);
}

std::uint64_t unpacked_bytes_max(const forecaster_options& options) {
  constexpr std::uint64_t per_extent = 320;
  constexpr std::uint64_t others = 64u << 20;
  return per_extent * extents_loaded_max(options) + others;
}

fault bad_state(const char* why) {
  return {errc::malformed, std::string{"forecaster state: "} + why};
}

} // namespace

std::string forecast_engine::save() const {
  byte_writer body;
  write(body);
  auto& raw = body.bytes();
  std::string out(head_bytes + ZSTD_compressBound(raw.size()), '\0');
  magic.copy(out.data(), magic.size());
  std::memcpy(out.data() + magic.size(), &version, sizeof version);
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  auto packed = ZSTD_compress2(context.get(), out.data() + head_bytes, out.size() - head_bytes,
                               raw.data(), raw.size());
  FORESHIFT_ENSURE(!ZSTD_isError(packed)); // it cannot fail with room for the bound
  out.resize(head_bytes + packed);
  return out;
}

result<void> forecast_engine::load(std::string_view bytes) {
  if (bytes.size() < head_bytes || !bytes.starts_with(magic))
    return bad_state("not one");
  std::uint32_t found = 0;
  std::memcpy(&found, bytes.data() + magic.size(), sizeof found);
  if (found != version)
    return bad_state("its version is not known");
  auto frame = bytes.substr(head_bytes);
  auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size > unpacked_bytes_max(options_)) // also what zstd says when it cannot tell
    return bad_state("impossible size");
  std::string raw;
  // A short frame can claim a long content: grow as it unpacks, never by the claim alone.
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  ZSTD_inBuffer in{frame.data(), frame.size(), 0};
  for (std::size_t left = 1; left != 0;) {
    auto old = raw.size();
    auto before = in.pos;
    raw.resize(std::min<std::size_t>(size, std::max<std::size_t>(2 * old, 1u << 16)));
    ZSTD_outBuffer to{raw.data() + old, raw.size() - old, 0};
    left = ZSTD_decompressStream(context.get(), &to, &in);
    raw.resize(old + to.pos);
    if (ZSTD_isError(left) || (left != 0 && to.pos == 0 && in.pos == before))
      return bad_state("damaged or cut off");
  }
  if (in.pos != in.size || raw.size() != size)
    return bad_state("more than one frame");

  forecast_engine fresh(options_);
  byte_reader fields(raw);
  if (!fresh.read(fields))
    return bad_state("fields do not fit together, or of a volume with other extents or windows");
  *this = std::move(fresh);
  if (table_.size() > options_.extents_max)
    forget_down_to(options_.extents_max);
  return {};
}

void forecast_engine::write(byte_writer& out) const {
  out.put(options_.extent_bytes);
  out.put(options_.window_ms);
  out.put(static_cast<std::uint32_t>(experts_.size() + (learned_ ? 1 : 0)));
  out.put(static_cast<std::uint32_t>(outlooks_.size()));
  out.put(started_ ? 1u : 0u);
  out.put(base_);
  out.put(open_);
  out.put(reads_);
  out.put(writes_);
  table_.save(out);
  std::vector<std::uint32_t> counts;
  std::vector<page_set> pages;
  for (auto& each : counts_) {
    counts.insert(counts.end(), {each.slot, each.reads, each.writes, each.run, each.fresh});
    pages.push_back(each.pages);
  }
  out.put_all(counts);
  out.put_all(pages);
  out.put_all(held_);
  out.put_all(hot_);
  out.put_all(warm_);
  streams_.save(out);
  for (auto& each : outlooks_)
    each.save(out);
  for (auto& each : experts_)
    each->save(out);
  if (learned_)
    learned_->save(out);
}

bool forecast_engine::read(byte_reader& in) {
  in.require(in.get<std::uint32_t>() == options_.extent_bytes);
  in.require(in.get<std::uint32_t>() == options_.window_ms);
  in.require(in.get<std::uint32_t>() == experts_.size() + (learned_ ? 1 : 0));
  auto outlooks = in.get<std::uint32_t>();
  started_ = in.get<std::uint32_t>() != 0;
  base_ = in.get<std::int64_t>();
  open_ = in.get<std::uint32_t>();
  reads_ = in.get_amount();
  writes_ = in.get_amount();
  constexpr auto base_max = std::int64_t{1} << 61;
  auto window_ms = std::int64_t{options_.window_ms};
  in.require(base_ < base_max / window_ms && base_ > -base_max / window_ms);
  in.require(open_ <= open_max && (started_ || open_ == 0));
  if (!in.ok() || !table_.load(in, extents_loaded_max(options_), extent_end_))
    return false;
  for (std::size_t slot = 0; slot < table_.size(); ++slot)
    in.require(table_.last_window[slot] <= open_);
  read_counts(in);
  for (auto* each : {&held_, &hot_, &warm_}) {
    *each = in.get_all<std::uint32_t>(extents_loaded_max(options_));
    in.require(std::is_sorted(each->begin(), each->end()));
  }
  in.require(streams_.load(in));
  read_outlooks(in, outlooks);
  for (auto& each : experts_)
    each->load(in, table_.size(), open_);
  if (learned_)
    learned_->load(in, table_.size());
  in.require(started_ || table_.size() == 0);
  return in.ok() && in.at_end();
}

/// Outlooks are told apart by their horizon: another main horizon keeps what others learned.
void forecast_engine::read_outlooks(byte_reader& in, std::uint32_t count) {
  in.require(count <= 16);
  for (std::uint32_t i = 0; in.ok() && i < count; ++i) {
    auto horizon = in.get<std::uint32_t>();
    auto found = std::find_if(outlooks_.begin(), outlooks_.end(),
                              [&](auto& x) { return x.horizon_ms() == horizon; });
    auto unwanted = outlooks_.front();
    (found == outlooks_.end() ? unwanted : *found).load(in);
  }
}

/// Every slot's `pending` and the counts must point at each other.
void forecast_engine::read_counts(byte_reader& in) {
  constexpr std::size_t fields = 5;
  auto raw = in.get_all<std::uint32_t>(fields * table_.size());
  auto pages = in.get_column<page_set>(raw.size() / fields);
  in.require(raw.size() % fields == 0);
  for (std::size_t i = 0; in.ok() && i < raw.size(); i += fields) {
    window_count count{raw[i], raw[i + 1], raw[i + 2], raw[i + 3], raw[i + 4], pages[i / fields]};
    in.require(count.slot < table_.size()
               && count.run <= std::uint64_t{count.reads} + count.writes);
    if (in.ok())
      in.require(table_.pending[count.slot] == counts_.size());
    counts_.push_back(count);
  }
  auto pending = std::count_if(table_.pending.begin(), table_.pending.end(),
                               [](auto at) { return at != extent_table::none; });
  in.require(static_cast<std::size_t>(pending) == counts_.size());
}

} // namespace foreshift
