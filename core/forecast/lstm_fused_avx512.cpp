// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx512f -mavx512dq; runs only where the processor has both.
#include "core/forecast/lstm_kernel.hpp"

#if defined(__x86_64__)
namespace foreshift {

void lstm_fused_step_avx512(const lstm_batch& x) {
  lstm_kernel<xsimd::avx512f>::run<6>(x);
}

} // namespace foreshift
#endif
