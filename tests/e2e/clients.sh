# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What end-to-end tests ask of volumes, and the stock clients that use them. Part of lib.sh.

# uri HOST VOLUME: where clients on that host find the volume.
uri() { echo "nbd+unix:///$2?socket=$CLUSTER/$1/nbd.sock"; }

holder() { field .lease.holder volume show "$1"; }

# expect_owner VOLUME HOST
expect_owner() {
  local now
  now=$(holder "$1")
  [[ $now == "$2" ]] || fail "volume $1 is owned by '$now', not by '$2'"
}

# learned VOLUME EXTENTS: whether so many extents are expected to be used.
learned() {
  [[ $(field '[.forecast.extents[]? | select(.reads + .writes > 0)] | length' \
    hot "$1" --top "$2") -ge $2 ]]
}

# no_leftovers HOST: no staged copies there, and no migration running.
no_leftovers() {
  local staged='[.plane.volumes[]? | .extentsStaged // "0" | tonumber] | add // 0'
  [[ $(field "$staged" host show "$1") == 0 ]] &&
    [[ $(field '[.tasks[]? | select(.kind == "migrate")] | length' task list) == 0 ]]
}

# roaming_client NAME VOLUME HOST: an NBD socket ($CLUSTER/NAME.sock) of a stock client that
# reconnects on errors, like a VM's disk driver; `roam NAME HOST` sends it to another host.
roaming_client() {
  roam "$1" "$3"
  spawn "$CLUSTER/$1.pid" "$CLUSTER/$1.log" nbdkit -f -U "$CLUSTER/$1.sock" --filter=retry nbd \
    "socket=$CLUSTER/$1.at" "export=$2" retries=60 retry-delay=1 retry-exponential=no
  wait_until 10 test -S "$CLUSTER/$1.sock"
}
roam() {
  ln -sfn "$CLUSTER/$2/nbd.sock" "$CLUSTER/$1.at.new"
  mv -Tf "$CLUSTER/$1.at.new" "$CLUSTER/$1.at"
}

# fio_nbd URI ARGUMENTS...: one fio job over NBD; fails on any I/O or verification error.
fio_nbd() {
  local at=$1
  shift
  fio --name=job --ioengine=nbd --uri="$at" --thread=1 --verify_state_save=0 "$@" \
    >"$CLUSTER/fio.out" 2>&1 || {
    cat "$CLUSTER/fio.out" >&2
    fail "fio failed at $at: $*"
  }
}

# fio_start NAME URI ARGUMENTS...: the same in the background, until fio_finish NAME, which fails on
# any error the client saw.
fio_start() {
  local name=$1 at=$2
  shift 2
  : >"$CLUSTER/$name.fio.log"
  spawn "$CLUSTER/$name.fio.pid" "$CLUSTER/$name.fio.log" \
    stdbuf -oL fio --name=job --ioengine=nbd --uri="$at" --thread=1 --verify_state_save=0 \
    --output-format=json "$@"
  wait_until 10 grep -q "connected to NBD" "$CLUSTER/$name.fio.log"
}
fio_running() { alive "$CLUSTER/$1.fio.pid"; }
fio_finish() {
  local name=$1 pid ios
  pid=$(cat "$CLUSTER/$name.fio.pid")
  stop_pid "$pid" INT
  sed -n '/^{/,/^}/p' "$CLUSTER/$name.fio.log" >"$CLUSTER/$name.fio.result"
  jq -e 'all(.jobs[]; .error == 0)' "$CLUSTER/$name.fio.result" >/dev/null || {
    cat "$CLUSTER/$name.fio.log" >&2
    fail "the client $name saw an error"
  }
  ios=$(jq '[.jobs[] | .read.total_ios + .write.total_ios] | add' "$CLUSTER/$name.fio.result")
  ((ios > 0)) || fail "the client $name did no I/O"
  note "client $name: $ios requests, no error"
}

# A hot set to learn from: reads with a few hot spots, for so many seconds.
warm_up() { # URI SECONDS
  fio_nbd "$1" --rw=randread --bs=4k --random_distribution=zipf:1.1 --size=100% --time_based \
    --runtime="$2" --rate_iops=2000
}
