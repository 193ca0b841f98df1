# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A local cluster for end-to-end tests, the demo and `./dev up`: one coordinator and agents host-a,
# host-b, ... as separate processes on loopback, each with a directory of its own under $CLUSTER.
# All state is in that directory (configs, ports, pid files, logs), so that a function may also be
# called from another process: CLUSTER=... bash tests/e2e/lib.sh agent_start host-b
set -u

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FORESHIFT_BIN=${FORESHIFT_BIN:-$source_dir/build/release/bin}
CLUSTER=${CLUSTER:-}

note() { printf -- '-- %s\n' "$*"; }
fail() {
  printf 'FAIL: %s\n' "$*" >&2
  exit 1
}

# requires TOOL...: skips the test (exit 77) where a tool is not installed.
requires() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || {
      echo "skipped: $tool is not installed"
      exit 77
    }
  done
}

# wait_until SECONDS COMMAND...: polls until the command succeeds, or fails the test.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "never came true: $*"
    sleep 0.1
  done
}

# expect_exit CODE COMMAND...: the command must end with that code; its output is kept in
# $CLUSTER/out and $CLUSTER/err.
expect_exit() {
  local want=$1 got=0
  shift
  "$@" >"$CLUSTER/out" 2>"$CLUSTER/err" || got=$?
  [[ $got == "$want" ]] || {
    cat "$CLUSTER/out" "$CLUSTER/err" >&2
    fail "expected exit $want, got $got: $*"
  }
}

# expect_said WORDS: the last command's error must contain them.
expect_said() {
  grep -qiE -- "$1" "$CLUSTER/err" || {
    cat "$CLUSTER/err" >&2
    fail "the error does not say '$1'"
  }
}

# -- processes -----------------------------------------------------------------------------------

alive() { [[ -s $1 ]] && kill -0 "$(cat "$1")" 2>/dev/null; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# spawn PIDFILE LOG COMMAND...: a background process that this shell's end does not touch.
spawn() {
  local pidfile=$1 log=$2
  shift 2
  setsid "$@" >>"$log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  disown
}

# stop_pid PID [SIGNAL]: ends a process and waits for it; after 10 s with SIGKILL.
stop_pid() {
  local pid=$1 i
  kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
  for ((i = 0; i < 100; ++i)); do
    gone "$pid" && return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

# free_ports N: so many loopback ports nobody listens on, below the ephemeral range.
free_ports() {
  python3 - "$1" <<'PY'
import random, socket, sys
found = []
while len(found) < int(sys.argv[1]):
    port = random.randint(20000, 31999)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    if port not in found:
        found.append(port)
print(*found)
PY
}

# -- the cluster ---------------------------------------------------------------------------------

# cluster_begin: makes $CLUSTER (short: unix sockets live in it) and ends everything on exit.
cluster_begin() {
  requires jq python3 nbdkit
  [[ -x $FORESHIFT_BIN/foreshift ]] || fail "no binaries in $FORESHIFT_BIN: run ./dev build"
  CLUSTER=$(mktemp -d /tmp/foreshift.XXXXXX)
  export CLUSTER
  trap cluster_end EXIT
  trap 'exit 130' INT TERM
}

cluster_end() {
  local code=$? pid
  trap - EXIT
  if ((code != 0 && code != 77 && code != 130)); then
    tail -n 25 "$CLUSTER"/*.log "$CLUSTER"/*/*.log >&2 2>/dev/null || true
  fi
  cluster_stop
  if [[ -n ${FORESHIFT_KEEP:-} ]]; then
    note "kept $CLUSTER"
  else
    rm -rf "$CLUSTER"
  fi
  exit "$code"
}

# cluster_stop: ends every process that was started for this cluster, data planes last.
cluster_stop() {
  local file pid
  for file in "$CLUSTER"/*.pid "$CLUSTER"/*/*.pid; do
    [[ -s $file ]] && stop_pid "$(cat "$file")"
  done
  for pid in $(plane_pids); do
    stop_pid "$pid"
  done
}

coordinator_config() {
  cat >"$CLUSTER/coordinator.toml" <<TOML
data = "$CLUSTER/coordinator"

[door]
listen = "127.0.0.1:$1"

[log]
level = "${FORESHIFT_LOG:-info}"

${COORDINATOR_EXTRA:-}
TOML
  echo "127.0.0.1:$1" >"$CLUSTER/coordinator.address"
}

# agent_config HOST AGENT_PORT NBD_PORT DOOR_PORT [ADVERTISED_NBD_PORT]
agent_config() {
  local host=$1 dir=$CLUSTER/$1
  mkdir -p "$dir"
  echo "$3" >"$dir/nbd.port"
  echo "$4" >"$dir/door.port"
  echo "$2" >"$dir/agent.port"
  cat >"$dir/agent.toml" <<TOML
[host]
name = "$host"
data = "$dir/data"

[coordinator]
address = ["$(cat "$CLUSTER/coordinator.address")"]

[door]
listen = "127.0.0.1:$2"

[plane]
socket = "$dir/nbd.sock"
listen = "127.0.0.1:$3"
advertise = "127.0.0.1:${5:-$3}"
door = "127.0.0.1:$4"
plugin = "$FORESHIFT_BIN/nbdkit-foreshift-plugin.so"
${THREADS:+threads = $THREADS}
reserve = "${RESERVE:-16MiB}"
${PLANE_EXTRA:-}

[log]
level = "${FORESHIFT_LOG:-info}"

${AGENT_EXTRA:-}
TOML
}

coordinator_start() {
  spawn "$CLUSTER/coordinator.pid" "$CLUSTER/coordinator.log" \
    "$FORESHIFT_BIN/foreshift-coordinator" --config "$CLUSTER/coordinator.toml"
}
coordinator_stop() { stop_pid "$(cat "$CLUSTER/coordinator.pid")"; }
coordinator_kill() { stop_pid "$(cat "$CLUSTER/coordinator.pid")" KILL; }

# plane_set HOST LINE: another line in its [plane], and its processes started anew.
plane_set() {
  agent_stop "$1"
  plane_kill "$1"
  sed -i "/^\[plane\]/a $2" "$CLUSTER/$1/agent.toml"
  agent_start "$1"
}

# In the network namespace that HOST/netns names, if there is such a file.
agent_start() {
  local within=()
  [[ ! -f $CLUSTER/$1/netns ]] || within=(nsenter "--net=/run/netns/$(cat "$CLUSTER/$1/netns")")
  spawn "$CLUSTER/$1/agent.pid" "$CLUSTER/$1/agent.log" \
    "${within[@]}" "$FORESHIFT_BIN/foreshift-agent" --config "$CLUSTER/$1/agent.toml"
}
agent_stop() { stop_pid "$(cat "$CLUSTER/$1/agent.pid")"; }
agent_kill() { stop_pid "$(cat "$CLUSTER/$1/agent.pid")" KILL; }

# plane_pids [HOST]: the data planes of this cluster, found by their data directory.
plane_pids() { pgrep -f -- "^[^ ]*nbdkit .*data=$CLUSTER/${1:-}" || true; }
plane_kill() {
  local pid
  for pid in $(plane_pids "$1"); do
    stop_pid "$pid" KILL
  done
}

# fiu_nbdkit FILE FIFO: makes FILE an nbdkit under libfiu, whose system calls `fiu-ctrl -f FIFO`
# fails on demand. Not through fiu-run: the supervisor must see nbdkit's own process id.
fiu_nbdkit() {
  local at
  at=$(sed -n 's/^PLIBPATH="\(.*\)"$/\1/p' "$(command -v fiu-run)")
  [[ -f $at/fiu_posix_preload.so ]] ||
    at=$(dirname "$(dpkg -L fiu-utils | grep fiu_posix_preload)")
  cat >"$1" <<SH
#!/bin/sh
export LD_PRELOAD="$at/fiu_run_preload.so $at/fiu_posix_preload.so" FIU_CTRL_FIFO=$2
exec nbdkit "\$@"
SH
  chmod +x "$1"
}

# fs ARGUMENTS...: the CLI against this cluster.
fs() { "$FORESHIFT_BIN/foreshift" -C "$(cat "$CLUSTER/coordinator.address")" "$@"; }
# field JQ ARGUMENTS...: one field of a JSON answer.
field() {
  local query=$1
  shift
  fs -o json "$@" | jq -r "$query"
}

hosts_up() { [[ $(field .hostsUp status) == "$1" ]]; }
host_up() { [[ $(field .up host show "$1") == true ]]; }

# cluster_start [N]: a coordinator and N (3) agents; returns when all are up.
cluster_start() {
  local count=${1:-3} ports i host
  read -ra ports < <(free_ports $((1 + 3 * count)))
  coordinator_config "${ports[0]}"
  coordinator_start
  for ((i = 0; i < count; ++i)); do
    host=host-$(printf '%b' "\\x$((61 + i))")
    agent_config "$host" "${ports[@]:1 + 3 * i:3}"
    agent_start "$host"
  done
  wait_until 30 hosts_up "$count"
}

# shellcheck source=clients.sh
source "$(dirname "${BASH_SOURCE[0]}")/clients.sh"

# Run as a script: call one function.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  "$@"
fi
