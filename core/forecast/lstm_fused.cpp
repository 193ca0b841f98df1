// SPDX-License-Identifier: Apache-2.0
#include "core/forecast/lstm_kernel.hpp"

namespace foreshift {

#if defined(__x86_64__)
void lstm_fused_step_avx512(const lstm_batch& x);
void lstm_fused_step_avx2(const lstm_batch& x);

namespace {

void plain(const lstm_batch& x) {
  lstm_kernel<xsimd::sse2>::run<1>(x);
}

/// The widest this processor has.
auto chosen() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
    return lstm_fused_step_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return lstm_fused_step_avx2;
  return plain;
}

} // namespace

void lstm_fused_step(const lstm_batch& x) {
  static const auto step = chosen();
  step(x);
}
#else
void lstm_fused_step(const lstm_batch& x) {
  lstm_kernel<xsimd::default_arch>::run<1>(x);
}
#endif

} // namespace foreshift
