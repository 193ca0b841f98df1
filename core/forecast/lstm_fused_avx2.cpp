// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx2 -mfma; runs only where the processor has both.
#include "core/forecast/lstm_kernel.hpp"

#if defined(__x86_64__)
namespace foreshift {

void lstm_fused_step_avx2(const lstm_batch& x) {
  lstm_kernel<xsimd::fma3<xsimd::avx2>>::run<1>(x);
}

} // namespace foreshift
#endif
