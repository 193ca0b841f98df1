#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Linux guest under QEMU migrates between two hosts (network namespaces) while it writes, cleanly
# and with QEMU, agent, coordinator or link failing on the way; tests/vm/cases.py says what holds
# then. Arguments: the cases wanted (default all).
source "$(dirname "$0")/lib.sh"
source "$source_dir/tests/vm/net.sh"
vm_begin 1000
vm_python cases.py "$@"
