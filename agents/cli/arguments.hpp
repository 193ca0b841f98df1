// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace foreshift::cli {

/// Reads the command line, runs the chosen command and returns the exit code. Wrong usage is 2.
int run(int argc, char** argv);

} // namespace foreshift::cli
