// SPDX-License-Identifier: Apache-2.0
#include "core/trace/workload.hpp"

#include <algorithm>
#include <cmath>

namespace foreshift {

namespace {

constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
constexpr double second_us = 1e6;
constexpr std::uint64_t page = 4 * kib;

std::uint64_t aligned(std::uint64_t offset) {
  return offset / page * page;
}

/// A run through the volume at its own speed, then another from elsewhere, after a pause.
class stream_part final : public workload_part {
public:
  struct options {
    double speed_min = 60.0 * kib; ///< Bytes a second.
    double speed_max = 400.0 * kib;
    double run_min = 128.0 * mib;
    double run_max = 1024.0 * mib;
    double pause_s = 60;
    double write_share = 0.2; ///< Of the runs.
  };

  stream_part(const options& o, std::uint64_t size, workload_random& random)
      : options_(o), size_(size) {
    begin(random);
    next_us += static_cast<std::int64_t>(random.uniform() * 60 * second_us);
  }

  trace_request take(workload_random& random) override {
    trace_request out{next_us, at_, request_bytes_, op_};
    at_ += request_bytes_;
    next_us +=
        static_cast<std::int64_t>(request_bytes_ / speed_ * second_us * (0.5 + random.uniform()));
    if (at_ + request_bytes_ > end_) {
      next_us += static_cast<std::int64_t>(random.wait(options_.pause_s) * second_us);
      begin(random);
    }
    return out;
  }

private:
  void begin(workload_random& random) {
    speed_ = random.scaled(options_.speed_min, options_.speed_max);
    auto length =
        std::min(random.scaled(options_.run_min, options_.run_max), static_cast<double>(size_) / 2);
    request_bytes_ = static_cast<std::uint32_t>(16 * kib << random.below(4));
    at_ = aligned(random.below(size_ - static_cast<std::uint64_t>(length)));
    end_ = at_ + static_cast<std::uint64_t>(length);
    op_ = random.uniform() < options_.write_share ? access_op::write : access_op::read;
  }

  options options_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
  std::uint64_t end_ = 0;
  std::uint32_t request_bytes_ = 0;
  double speed_ = 0;
  access_op op_ = access_op::read;
};

/// Clusters of a few MiB, the k-th as popular as 1/k^s; now and then a popular one is replaced by
/// another place of the volume.
class zipf_part final : public workload_part {
public:
  struct options {
    std::size_t clusters = 400;
    double exponent = 1.1;
    double rate = 30;     ///< Requests a second.
    double drift_s = 120; ///< Mean time between two replacements.
    double write_share = 0.3;
  };

  zipf_part(const options& o, std::uint64_t begin, std::uint64_t size, workload_random& random)
      : options_(o), begin_(begin), size_(size) {
    double sum = 0;
    for (std::size_t k = 0; k < o.clusters; ++k) {
      sum += 1 / std::pow(static_cast<double>(k + 1), o.exponent);
      weights_.push_back(sum);
      clusters_.push_back(place(random));
    }
    drift_us_ = random.wait(o.drift_s) * second_us;
  }

  trace_request take(workload_random& random) override {
    while (static_cast<double>(next_us) > drift_us_) {
      clusters_[pick(random)] = place(random);
      drift_us_ += random.wait(options_.drift_s) * second_us;
    }
    auto& from = clusters_[pick(random)];
    auto bytes = static_cast<std::uint32_t>(page << random.below(5));
    trace_request out{next_us, from.begin + aligned(random.below(from.size - bytes)), bytes,
                      random.uniform() < options_.write_share ? access_op::write : access_op::read};
    next_us += static_cast<std::int64_t>(random.wait(1 / options_.rate) * second_us);
    return out;
  }

private:
  struct cluster {
    std::uint64_t begin, size;
  };

  cluster place(workload_random& random) const {
    auto size = aligned(static_cast<std::uint64_t>(random.scaled(1.0 * mib, 16.0 * mib)));
    return {begin_ + aligned(random.below(size_ - size)), size};
  }

  std::size_t pick(workload_random& random) const {
    auto at =
        std::lower_bound(weights_.begin(), weights_.end(), random.uniform() * weights_.back());
    return static_cast<std::size_t>(at - weights_.begin());
  }

  options options_;
  std::uint64_t begin_;
  std::uint64_t size_;
  std::vector<double> weights_; ///< Summed up.
  std::vector<cluster> clusters_;
  double drift_us_ = 0;
};

/// Lets another part act only for a while of each period.
class timed_part final : public workload_part {
public:
  timed_part(std::unique_ptr<workload_part> inner, double period_s, double from_s, double length_s)
      : inner_(std::move(inner)), period_us_(static_cast<std::int64_t>(period_s * second_us)),
        from_us_(static_cast<std::int64_t>(from_s * second_us)),
        length_us_(static_cast<std::int64_t>(length_s * second_us)) {
    settle();
  }

  trace_request take(workload_random& random) override {
    auto out = inner_->take(random);
    settle();
    return out;
  }

private:
  /// Moves on to the next time at which it may act.
  void settle() {
    auto at = inner_->next_us - from_us_;
    auto phase = (at % period_us_ + period_us_) % period_us_;
    if (phase >= length_us_)
      inner_->next_us += period_us_ - phase;
    next_us = inner_->next_us;
  }

  std::unique_ptr<workload_part> inner_;
  std::int64_t period_us_;
  std::int64_t from_us_;
  std::int64_t length_us_;
};

/// Reads the same pieces of an image in the same order, nearly, whenever it begins.
class boot_part final : public workload_part {
public:
  struct piece {
    std::uint64_t offset;
    std::uint32_t bytes;
  };

  boot_part(std::vector<piece> image, std::uint64_t own_begin, std::uint64_t own_bytes,
            double period_s, double from_s)
      : image_(std::move(image)), own_begin_(own_begin), own_bytes_(own_bytes),
        period_us_(static_cast<std::int64_t>(period_s * second_us)),
        begin_us_(static_cast<std::int64_t>(from_s * second_us)) {
    next_us = begin_us_;
  }

  trace_request take(workload_random& random) override {
    constexpr double gap_s = 0.02, own_share = 0.15;
    if (random.uniform() < own_share) { // its own logs and settings
      trace_request out{next_us, own_begin_ + aligned(random.below(own_bytes_)), page,
                        access_op::write};
      next_us += static_cast<std::int64_t>(random.wait(gap_s) * second_us);
      return out;
    }
    auto& from = image_[at_];
    trace_request out{next_us, from.offset, from.bytes, access_op::read};
    next_us += static_cast<std::int64_t>(random.wait(gap_s) * second_us);
    if (++at_ == image_.size()) {
      at_ = 0;
      begin_us_ += period_us_;
      next_us = std::max(next_us, begin_us_);
    }
    return out;
  }

private:
  std::vector<piece> image_;
  std::uint64_t own_begin_;
  std::uint64_t own_bytes_;
  std::int64_t period_us_;
  std::int64_t begin_us_;
  std::size_t at_ = 0;
};

using parts_t = std::vector<std::unique_ptr<workload_part>>;

parts_t streams(std::uint64_t size, workload_random& random) {
  constexpr int count = 12;
  parts_t out;
  for (int i = 0; i < count; ++i)
    out.push_back(std::make_unique<stream_part>(stream_part::options{}, size, random));
  zipf_part::options rest{.clusters = 50, .rate = 0.5};
  out.push_back(std::make_unique<zipf_part>(rest, 0, size, random));
  return out;
}

parts_t daily(std::uint64_t size, workload_random& random) {
  constexpr int jobs = 6;
  constexpr double hour_s = 3600, day_s = 24 * hour_s;
  auto region = size / (jobs + 2);
  parts_t out;
  zipf_part::options base{.clusters = 60, .rate = 0.5, .drift_s = 4 * hour_s};
  out.push_back(std::make_unique<zipf_part>(base, 0, region, random));
  for (int i = 0; i < jobs; ++i) {
    zipf_part::options job{.clusters = 60, .exponent = 0.8, .rate = 5, .drift_s = 12 * hour_s};
    out.push_back(std::make_unique<timed_part>(
        std::make_unique<zipf_part>(job, region * static_cast<unsigned>(i + 1), region, random),
        day_s, random.uniform() * day_s, (0.5 + 2 * random.uniform()) * hour_s));
  }
  return out;
}

parts_t scan(std::uint64_t size, workload_random& random) {
  constexpr double period_s = 2 * 3600;
  parts_t out;
  out.push_back(std::make_unique<zipf_part>(
      zipf_part::options{.clusters = 150, .exponent = 1.0, .drift_s = 1800}, 0, size, random));
  constexpr double speed = 16.0 * mib;
  stream_part::options whole{.speed_min = speed,
                             .speed_max = speed,
                             .run_min = static_cast<double>(size) / 4,
                             .run_max = static_cast<double>(size) / 4,
                             .pause_s = 1,
                             .write_share = 0};
  auto scanning_s = static_cast<double>(size) / 4 / speed;
  out.push_back(std::make_unique<timed_part>(std::make_unique<stream_part>(whole, size, random),
                                             period_s, period_s / 3,
                                             std::min(scanning_s, period_s / 2)));
  return out;
}

parts_t boot(std::uint64_t size, workload_random& random) {
  constexpr int machines = 8;
  constexpr double period_s = 1800, storm_s = 120;
  std::vector<boot_part::piece> image;
  for (std::uint64_t total = 0; total < 300 * mib;) { // files of an image, each read as a run
    auto at = aligned(random.below(size / 4));
    auto left = static_cast<std::uint64_t>(random.scaled(8.0 * kib, 4.0 * mib));
    for (; left >= page; left -= std::min<std::uint64_t>(left, 64 * kib)) {
      auto bytes = aligned(std::min<std::uint64_t>(left, 64 * kib));
      image.push_back({at, static_cast<std::uint32_t>(bytes)});
      at += bytes;
      total += bytes;
    }
  }
  parts_t out;
  for (int i = 0; i < machines; ++i) {
    auto own = size / 4 + size / 2 / machines * static_cast<unsigned>(i);
    out.push_back(
        std::make_unique<boot_part>(image, own, 32 * mib, period_s, random.uniform() * storm_s));
  }
  zipf_part::options rest{.clusters = 100, .rate = 5, .drift_s = 600};
  out.push_back(std::make_unique<zipf_part>(rest, size / 4 * 3, size / 4, random));
  return out;
}

} // namespace

std::vector<std::unique_ptr<workload_part>> make_parts(const workload_options& options,
                                                       workload_random& random) {
  auto size = options.size_bytes;
  switch (options.kind) {
  case workload_kind::streams:
    return streams(size, random);
  case workload_kind::daily:
    return daily(size, random);
  case workload_kind::scan:
    return scan(size, random);
  case workload_kind::boot:
    return boot(size, random);
  default:
    FORESHIFT_ENSURE(options.kind == workload_kind::zipf);
  }
  parts_t out;
  out.push_back(std::make_unique<zipf_part>(zipf_part::options{}, 0, size, random));
  return out;
}

} // namespace foreshift
