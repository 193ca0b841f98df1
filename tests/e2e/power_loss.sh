#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host loses its power, and with it writes that were acknowledged and not flushed, while nobody
# uses the volume: when it is back it doubts what it has, is compared with the other replica and
# gets back what it lost; a volume with its only replica there is served as it is.
#
# The power loss is a copy of the data directory from before the writes, and another boot id.
source "$(dirname "$0")/lib.sh"
requires fio unshare
[[ $(id -u) == 0 ]] || {
  echo "skipped: another boot id needs root"
  exit 77
}
cluster_begin
cluster_start 3

healthy() { [[ $(field '"\(.health) \(.lost // [] | length)"' volume show "$1") == "ok 0" ]]; }
serves() {
  [[ $(field '.plane.volumes[]? | select(.name == "'"$1"'") | .state' host show "$2") == primary ]]
}
write() { # HOST VOLUME SEED
  fio_nbd "$(uri "$1" "$2")" --rw=write --bs=64k --size=32M --verify=pattern --do_verify=0 \
    --verify_pattern="0x$3" "${@:4}"
}
verify() { # HOST VOLUME SEED
  fio_nbd "$(uri "$1" "$2")" --rw=write --bs=64k --size=32M --verify=pattern --verify_only \
    --verify_pattern="0x$3"
}

note "two volumes, written and flushed; a copy of what is on disk"
fs volume create pair 32MiB --replicas 2 --partition 4MiB || fail "create"
fs volume create single 32MiB --home host-b --partition 4MiB || fail "create"
fs volume attach pair host-a || fail "attach"
fs volume attach single host-b || fail "attach"
write host-a pair 1 --end_fsync=1
write host-b single 1 --end_fsync=1
cp -a --sparse=always "$CLUSTER/host-b/data/plane" "$CLUSTER/before"

note "written again, acknowledged and not flushed; then the power fails"
write host-a pair 2
agent_kill host-b
plane_kill host-b
rm -rf "$CLUSTER/host-b/data/plane"
mv "$CLUSTER/before" "$CLUSTER/host-b/data/plane"
cat /proc/sys/kernel/random/uuid >"$CLUSTER/boot"
# shellcheck disable=SC2016 # the inner shell expands them
spawn "$CLUSTER/host-b/agent.pid" "$CLUSTER/host-b/agent.log" unshare -m sh -c \
  'mount --bind "$1" /proc/sys/kernel/random/boot_id && exec "$2" --config "$3"' sh \
  "$CLUSTER/boot" "$FORESHIFT_BIN/foreshift-agent" "$CLUSTER/host-b/agent.toml"

said() { fs events --limit 1000 | grep -q "$1"; }
wait_until 30 said "volume pair .*host host-b restarted and may lack writes"
wait_until 60 said "volume pair .*replica host-b is back"
wait_until 30 healthy pair
wait_until 30 serves single host-b
verify host-b single 1

note "nothing that was acknowledged is lost with the other replica"
plane_pids host-a >"$CLUSTER/pids"
agent_kill host-a
plane_kill host-a
expect_exit 0 fs flip pair --to host-b --force
verify host-b pair 2
note "done"
