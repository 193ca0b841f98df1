// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/interrupts.hpp"

#include <atomic>

namespace foreshift::cli {

namespace {

std::atomic<int> counted{0};

extern "C" void note_interrupt(int) {
  ++counted;
}

} // namespace

int interrupts() {
  return counted;
}

interrupt_guard::interrupt_guard() {
  struct sigaction act {};
  act.sa_handler = note_interrupt;
  sigaction(SIGINT, &act, &int_before_);
  sigaction(SIGTERM, &act, &term_before_);
}

interrupt_guard::~interrupt_guard() {
  sigaction(SIGINT, &int_before_, nullptr);
  sigaction(SIGTERM, &term_before_, nullptr);
}

} // namespace foreshift::cli
