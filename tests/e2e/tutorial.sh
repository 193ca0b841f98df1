#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every command of docs/tutorial.md, on two network namespaces.
source "$(dirname "$0")/lib.sh"
source "$source_dir/tests/vm/net.sh"
vm_begin 1000
ip -n "$(net_name)-a" addr add 10.0.0.1/24 dev e0
ip -n "$(net_name)-b" addr add 10.0.0.2/24 dev e0
vm_python tutorial.py
