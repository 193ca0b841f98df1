#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copies to the likeliest next host, within their budget, with their use and waste accounted.
source "$(dirname "$0")/lib.sh"
requires fio curl
cluster_begin
read -r web < <(free_ports 1)
COORDINATOR_EXTRA="[speculate]
targets = 1
budget = \"8MiB\"

[policy]
hold = \"1s\"

[http]
listen = \"127.0.0.1:$web\""
cluster_start 3

figure() { field "(.speculation.$1 // \"0\" | tonumber) / 1048576" status; }
metric() {
  curl -sf "http://127.0.0.1:$web/metrics" | awk -v n="$1" '$1 == n {print $2 / 1048576}'
}
engaged() { [[ $(figure heldBytes) == 8 ]]; }

fs volume create disk 64MiB --home host-a || fail "create"
fs volume attach disk host-a || fail "attach"
fs flip disk --to host-c >/dev/null || fail "flip" # so that host-c is the likeliest
fs flip disk --to host-a >/dev/null || fail "flip"
fio_start guest "$(uri host-a disk)" --rw=randread --bs=4k --size=24M --time_based --runtime=600 \
  --rate_iops=800
wait_until 60 engaged
[[ $(field '.targets[0].speculativeBytes // "0" | tonumber / 1048576' targets disk) == 8 ||
  $(field '[.targets[] | select(.host == "host-c")
    | .speculativeBytes // "0" | tonumber / 1048576][0]' targets disk) == 8 ]] ||
  fail "host-c has no copies: $(fs targets disk)"
sleep 4
[[ $(figure heldBytes) == 8 ]] || fail "$(figure heldBytes) MiB are held, the budget is 8"
fio_finish guest

note "the volume goes there"
expect_exit 0 fs migrate disk --to host-c --no-preposition
used() { [[ $(figure usedBytes) == 8 && $(figure wastedBytes) == 0 ]]; }
wait_until 20 used
fs status
fs targets disk
[[ $(metric foreshift_speculative_used_bytes_total) == 8 ]] || fail "the metric does not say so"
note "done"
