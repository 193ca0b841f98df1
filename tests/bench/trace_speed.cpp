// SPDX-License-Identifier: Apache-2.0
// bench_trace_speed: requests a second that the readers of traces give, from memory, on one core.
#include "core/trace/trace_reader.hpp"
#include "core/trace/workload.hpp"

#include <benchmark/benchmark.h>

using namespace foreshift;

namespace {

constexpr int requests = 500'000;

/// As many requests as one of the CSV formats tells them.
std::string csv(trace_format format) {
  auto made = workload::make({workload_kind::zipf, 7 * 86'400'000'000ll, 64ull << 30, 1});
  FORESHIFT_ENSURE(made);
  std::string out;
  trace_request x;
  for (int i = 0; i < requests && made->next(x); ++i) {
    auto number = [](auto value) { return std::to_string(value); };
    const bool read = x.op == access_op::read;
    if (format == trace_format::msr)
      out += number(128166372003061629 + 10 * x.at_us) + ",hm,1," + (read ? "Read," : "Write,")
             + number(x.offset) + ',' + number(x.bytes) + ',' + number(100 + i % 9000);
    else if (format == trace_format::alibaba)
      out += std::string{"419,"} + (read ? "R," : "W,") + number(x.offset) + ',' + number(x.bytes)
             + ',' + number(1577808144360767 + x.at_us);
    else if (format == trace_format::tencent)
      out += number(1538323200 + x.at_us / 1'000'000) + ',' + number(x.offset / 512) + ','
             + number(x.bytes / 512) + (read ? ",0,1063" : ",1,1063");
    else
      out += "1," + number(5633898 + x.at_us / 1'000'000) + (read ? ",28," : ",2a,")
             + number(x.bytes) + ',' + number(x.offset / 512);
    out += '\n';
  }
  return out;
}

void read_csv(benchmark::State& state, trace_format format) {
  auto text = csv(format);
  std::vector<trace_request> batch(4096);
  std::uint64_t read = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto source = source_of(text);
    state.ResumeTiming();
    auto reader = trace_reader::from(std::move(source), "t", {});
    FORESHIFT_ENSURE(reader && reader->counts().format == format);
    for (auto count = batch.size(); count == batch.size();) {
      auto got = reader->read(batch);
      FORESHIFT_ENSURE(got);
      count = *got;
    }
    read += reader->counts().requests;
  }
  FORESHIFT_ENSURE(read == static_cast<std::uint64_t>(state.iterations()) * requests);
  state.SetItemsProcessed(static_cast<std::int64_t>(read));
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * text.size()));
}

BENCHMARK_CAPTURE(read_csv, msr, trace_format::msr)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_csv, alibaba, trace_format::alibaba)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_csv, tencent, trace_format::tencent)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_csv, cloudphysics, trace_format::cloudphysics)
    ->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
