#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# After a flip that moved nothing ahead, the rest follows: the local share of reads grows; what a
# client missed comes before what was only expected; by the rule none nothing comes; by the rule all
# even what nobody uses. And the second migration is warm at once: what was learned travels along.
source "$(dirname "$0")/lib.sh"
requires fio qemu-io
cluster_begin
COORDINATOR_EXTRA=$'[moves]\nrate = "8MiB"\ntrickle = "8MiB"\n\n[policy]\nhold = "60s"'
cluster_start 3

counts() { # HOST: reads served there, from there and from elsewhere
  field '.plane.volumes[] | select(.name == "disk")
    | "\(.readsLocal // "0") \(.readsRemote // "0")"' \
    host show "$1"
}
share() { # HOST: percent of a second's reads over the hot 24 MiB that are served locally
  local local0 remote0 local1 remote1
  read -r local0 remote0 <<<"$(counts "$1")"
  fio_nbd "$(uri "$1" disk)" --rw=randread --bs=4k --size=24M --time_based --runtime=1 \
    --rate_iops=800
  sleep 1.5 # the next report
  read -r local1 remote1 <<<"$(counts "$1")"
  ((local1 + remote1 > local0 + remote0)) || fail "no reads at $1"
  echo $((100 * (local1 - local0) / (local1 - local0 + remote1 - remote0)))
}
warm() { (($(share "$1") > 95)); }
local_at() { # HOST EXTENT: whether reading it there is local
  local local0 remote0 local1 remote1
  qemu-io -f raw -c "read $(($2 * 1048576)) 4k" "$(uri "$1" disk)" >/dev/null || fail "read"
  sleep 1.5 # the next report
  read -r local0 remote0 <<<"$(counts "$1")"
  qemu-io -f raw -c "read $(($2 * 1048576)) 4k" "$(uri "$1" disk)" >/dev/null || fail "read"
  sleep 1.5
  read -r local1 remote1 <<<"$(counts "$1")"
  ((remote1 == remote0 && local1 > local0))
}
remote_at() { # HOST EXTENT: whether its first reading there comes from elsewhere
  local local0 remote0 local1 remote1
  sleep 1.5
  read -r local0 remote0 <<<"$(counts "$1")"
  qemu-io -f raw -c "read $(($2 * 1048576)) 4k" "$(uri "$1" disk)" >/dev/null || fail "read"
  sleep 1.5
  read -r local1 remote1 <<<"$(counts "$1")"
  ((remote1 > remote0))
}
reader() { # NAME HOST: a guest that goes on over 24 MiB
  fio_start "$1" "$(uri "$2" disk)" --rw=randread --bs=4k --size=24M --time_based --runtime=600 \
    --rate_iops=800
}
expected_by() { # HOST: whether it is this host's own forecast that is in use
  [[ $(field .forecast.host hot disk) == "$1" ]]
}

fs volume create disk 64MiB --home host-a || fail "create"
fs volume attach disk host-a || fail "attach"
reader first host-a
wait_until 40 learned disk 20
sleep 4
fio_finish first

note "the flip moves nothing ahead"
expect_exit 0 fs migrate disk --to host-c --no-preposition
moved=$(field '[.tasks[] | select(.kind == "migrate")][-1] | .bytesMoved // "0"' task list --all)
[[ $moved == 0 ]] ||
  fail "something was moved ahead"
first=$(share host-c)
remote_at host-c 60 || fail "extent 60 is here already"
note "extent 60, which nobody expected, was read from elsewhere"
came=$SECONDS
until local_at host-c 60; do ((SECONDS - came < 30)) || fail "extent 60 never came"; done
note "it came within $((SECONDS - came)) s"
wait_until 60 warm host-c
last=$(share host-c)
note "served locally: $first % in the first second, $last % in the end"
((first < 60 && last > first)) || fail "the local share did not grow"
remote_at host-c 50 || fail "extent 50 came although nobody used it"

note "the second migration is warm at once"
expect_exit 0 fs volume set disk follow none
expect_exit 0 fs flip disk --to host-b
wait_until 15 expected_by host-b
observed=$(field '.forecast.observedMs // "0" | tonumber' hot disk)
((observed > 10000)) || fail "host-b has learned from $observed ms only"
extents=$(field '[.forecast.extents[]? | select(.reads > 0 and .extent < 24)] | length' \
  hot disk --top 64)
((extents >= 20)) || fail "host-b expects $extents of 24 hot extents"
moves=$(field '[.moves[] | .extents] | add // 0' plan disk --to host-a)
note "host-b, which has seen no request, expects $extents hot extents from $observed ms of history"

note "by the rule none nothing follows"
before=$(field .mapVersion volume show disk)
reader third host-b
sleep 6
fio_finish third
[[ $(field .mapVersion volume show disk) == "$before" ]] || fail "something followed"

note "by the rule all everything does"
expect_exit 0 fs volume set disk follow all
all_there() {
  [[ $(field '.residency[] | select(.host == "host-b") | .extents' volume show disk) == 64 ]]
}
wait_until 90 all_there
note "done"
