#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The guest of vm_migrate.sh, there and back once, verified: short enough for every run of tests.
exec bash "$(dirname "$0")/vm_migrate.sh" short
