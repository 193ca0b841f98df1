// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace foreshift::cli {

/// How often Ctrl-C or SIGTERM came while a guard lived.
int interrupts();

/// While it lives, Ctrl-C and SIGTERM are counted instead of ending the process.
class interrupt_guard {
public:
  interrupt_guard();
  ~interrupt_guard();
  interrupt_guard(const interrupt_guard&) = delete;
  interrupt_guard& operator=(const interrupt_guard&) = delete;

private:
  struct sigaction int_before_ {};
  struct sigaction term_before_ {};
};

} // namespace foreshift::cli
