// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/arguments.hpp"

int main(int argc, char** argv) {
  return foreshift::cli::run(argc, argv);
}
