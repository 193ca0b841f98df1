#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A volume's life through the CLI, and every kind of wrong input with its exit code.
source "$(dirname "$0")/lib.sh"
requires qemu-io
cluster_begin
cluster_start 2

note "usage errors end with 2"
expect_exit 2 fs
expect_exit 2 fs volume
expect_exit 2 fs no-such-command
expect_exit 2 fs volume create disk
expect_exit 2 fs volume create disk 1.5GiB
expect_said "size in whole units"
expect_exit 2 fs volume create disk 4Gigs
expect_exit 2 fs volume create disk -- -4096
expect_exit 2 fs volume create disk 4097
expect_exit 2 fs volume create disk 0
expect_exit 2 fs volume create disk 65TiB
expect_exit 2 fs volume create Disk/../x 64MiB
expect_exit 2 fs volume create disk 64MiB --replicas 9
expect_exit 2 fs volume create disk 64MiB --home host-a,host-a
expect_exit 2 fs migrate disk --to host-b --gate 120%
expect_exit 2 fs task show nonsense
expect_exit 2 fs -o xml status

note "names that nobody has end with 3"
expect_exit 3 fs volume show disk
expect_said "disk"
expect_exit 3 fs volume attach disk host-a
expect_exit 3 fs volume delete disk
expect_exit 3 fs host show host-z
expect_exit 3 fs task show 4711
expect_exit 3 fs task cancel 4711
expect_exit 3 fs hot disk
expect_exit 3 fs plan disk --to host-b
expect_exit 3 fs migrate disk --to host-b
expect_exit 3 fs flip disk --to host-b
expect_exit 3 fs volume create disk 64MiB --home host-a,host-z
expect_said "host-z"

note "create, attach, write, detach, attach elsewhere, delete"
expect_exit 0 fs volume create disk 64MiB --replicas 2
expect_exit 4 fs volume create disk 64MiB
expect_said "disk"
expect_exit 3 fs volume attach disk host-z
expect_exit 0 fs volume attach disk host-a
expect_owner disk host-a
expect_exit 4 fs volume delete disk
epoch=$(field .lease.heldEpoch volume show disk)
qemu-io -f raw -c 'write -P 7 0 1M' -c flush "$(uri host-a disk)" || fail "write"
expect_exit 0 fs volume detach disk
[[ $(holder disk) == "" ]] || fail "still held"
expect_exit 4 fs volume detach disk
expect_exit 4 fs migrate disk --to host-b
if timeout 5 qemu-io -f raw -c 'read 0 4k' "$(uri host-a disk)" >"$CLUSTER/out" 2>&1; then
  fail "a detached volume was read"
fi
expect_exit 0 fs volume attach disk host-b
(($(field .lease.heldEpoch volume show disk) > epoch)) || fail "the epoch did not grow"
qemu-io -f raw -c 'read -P 7 0 1M' "$(uri host-b disk)" | tee "$CLUSTER/out"
if grep -q failed "$CLUSTER/out"; then fail "other bytes at host-b"; fi
expect_exit 3 fs migrate disk --to host-z
expect_exit 3 fs flip disk --to host-z

note "every listing answers, as a table and as JSON"
task=$(field '.tasks[-1].id' task list --all)
for what in "status" "host list" "host show host-a" "host ok-to-stop host-a" "volume list" \
  "volume show disk" "affinity" "affinity disk" "hot disk" "plan disk --to host-a" \
  "task list" "task list --all" "task show $task" "task calibration" "events" "targets disk" \
  "forecast show disk" "announce --list" "scrub status" "doctor"; do
  # shellcheck disable=SC2086 # words are meant to split
  expect_exit 0 fs $what
  [[ -s $CLUSTER/out ]] || fail "'$what' printed nothing"
  if grep -q $'\x1b' "$CLUSTER/out"; then fail "'$what' coloured a pipe"; fi
  # shellcheck disable=SC2086
  fs -o json $what | jq -e . >/dev/null || fail "'$what' printed no JSON"
done
expect_exit 0 fs --help
expect_exit 0 fs migrate --help
grep -q 'Example' "$CLUSTER/out" || fail "help without an example"

note "events are followed as they come"
"$FORESHIFT_BIN/foreshift" -C "$(cat "$CLUSTER/coordinator.address")" events --follow \
  >"$CLUSTER/followed" &
follower=$!
expect_exit 0 fs volume create late 1MiB
followed() { grep -q "late" "$CLUSTER/followed"; }
wait_until 10 followed
kill "$follower"
expect_exit 0 fs volume delete late

note "a volume of 64 TiB is used at both ends and costs nothing where nobody wrote"
expect_exit 0 fs volume create huge 64TiB --home host-a
expect_exit 0 fs volume attach huge host-a
qemu-io -f raw -c 'write -P 1 0 64k' -c "write -P 2 $(((64 << 40) - 65536)) 64k" -c flush \
  "$(uri host-a huge)" || fail "write"
expect_exit 0 fs flip huge --to host-b
qemu-io -f raw -c 'read -P 1 0 64k' -c "read -P 2 $(((64 << 40) - 65536)) 64k" \
  -c 'read -P 0 32T 64k' "$(uri host-b huge)" | tee "$CLUSTER/out"
if grep -q failed "$CLUSTER/out"; then fail "other bytes"; fi
(($(du -sk "$CLUSTER" | cut -f1) < 1048576)) || fail "a thin volume took a GiB"
expect_exit 0 fs hot huge
expect_exit 0 fs plan huge --to host-a
expect_exit 0 fs volume detach huge
expect_exit 0 fs volume delete huge

note "delete frees everything"
expect_exit 0 fs volume detach disk
expect_exit 0 fs volume delete disk
expect_exit 3 fs volume show disk
gone_everywhere() {
  local host
  for host in host-a host-b; do
    [[ $(field '.plane.volumes | length' host show "$host") == 0 ]] || return 1
  done
}
wait_until 20 gone_everywhere

note "a wrong configuration is named by line and by the nearest key"
sed 's/^name = /zoen = "rack"\nname = /' "$CLUSTER/host-a/agent.toml" >"$CLUSTER/bad.toml"
expect_exit 2 "$FORESHIFT_BIN/foreshift-agent" --config "$CLUSTER/bad.toml"
expect_said "bad.toml:2.*host.zoen.*host.zone"
printf 'data = "%s/other"\n[door]\nlisten = "0.0.0.0:0"\n' "$CLUSTER" >"$CLUSTER/open.toml"
expect_exit 2 "$FORESHIFT_BIN/foreshift-coordinator" --config "$CLUSTER/open.toml"
expect_said "certificate|tls"
printf 'data = "%s/other"\n[moves]\nraet = "1MiB"\n' "$CLUSTER" >"$CLUSTER/misspelt.toml"
expect_exit 2 "$FORESHIFT_BIN/foreshift-coordinator" --config "$CLUSTER/misspelt.toml"
expect_said "misspelt.toml:3.*moves.raet.*moves.rate"
printf 'data = "%s/other"\n[moves]\nrate = "fast"\n' "$CLUSTER" >"$CLUSTER/wrong.toml"
expect_exit 2 "$FORESHIFT_BIN/foreshift-coordinator" --config "$CLUSTER/wrong.toml"
expect_said "wrong.toml:3.*moves.rate"
keys() { sed -n 's/^\([a-z_]*\) = .*/\1/p' | sort; }
for program in agent coordinator; do
  "$FORESHIFT_BIN/foreshift-$program" --print-config-example | keys >"$CLUSTER/shown"
  keys <"$source_dir/cluster-config/$program.example.toml" | diff - "$CLUSTER/shown" ||
    fail "cluster-config/$program.example.toml is not what the program knows"
done
for file in "$source_dir"/cluster-config/*.toml "$source_dir"/cluster-config/*/*.toml; do
  program=foreshift-agent
  [[ $file == */coordinator* ]] && program=foreshift-coordinator
  expect_exit 0 "$FORESHIFT_BIN/$program" --config "$file" --check-config
done
note "done"
