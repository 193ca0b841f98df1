# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Hosts as network namespaces behind one switch, every link with a rate. Needs $CLUSTER; to be
# sourced after tests/e2e/lib.sh.
#
#   NET-a 10.77.0.1, NET-b 10.77.0.2: compute hosts    NET-s 10.77.0.3: coordinator, storage, tools
#   (or other places, numbered in the order of NET_PLACES)
#   NET-x: the switch; port of host h is vh there, e0 in the host

NET_PLACES=${NET_PLACES:-a b s}

# net_name: unique for this cluster.
net_name() { basename "$CLUSTER" | tr . -; }

# net_up [MBIT]: skips the test where namespaces, veth or tbf are refused.
net_up() {
  local net i=1 h
  net=$(net_name)
  ip netns add "$net-x" 2>"$CLUSTER/net.log" || net_refused
  ip -n "$net-x" link add br0 type bridge 2>>"$CLUSTER/net.log" || net_refused
  ip -n "$net-x" link set br0 up
  for h in $NET_PLACES; do
    ip netns add "$net-$h"
    ip -n "$net-x" link add "v$h" type veth peer name e0 netns "$net-$h" \
      2>>"$CLUSTER/net.log" || net_refused
    ip -n "$net-x" link set "v$h" master br0 up
    ip -n "$net-$h" link set lo up
    ip -n "$net-$h" addr add "10.77.0.$i/24" dev e0
    ip -n "$net-$h" link set e0 up
    i=$((i + 1))
  done
  net_rate "${1:-1000}" 2>>"$CLUSTER/net.log" || net_refused
}

net_refused() {
  echo "skipped: this machine refuses namespaces, veth or tbf: $(tail -n 1 "$CLUSTER/net.log")"
  exit 77
}

# net_rate MBIT: of every link, in both directions.
net_rate() {
  local net h
  net=$(net_name)
  for h in $NET_PLACES; do
    tc -n "$net-$h" qdisc replace dev e0 root tbf rate "$1mbit" burst 256kb latency 20ms &&
      tc -n "$net-x" qdisc replace dev "v$h" root tbf rate "$1mbit" burst 256kb latency 20ms ||
      return 1
  done
}

# net_down: ends what still runs in the namespaces of this cluster, and them.
net_down() {
  local net ns
  net=$(net_name)
  for ns in $(ip netns list | awk '{print $1}' | grep -- "^$net-"); do
    ip netns pids "$ns" | xargs -r kill -KILL 2>/dev/null
    ip netns del "$ns"
  done
}

# vm_begin: a cluster directory and the namespaces; everything ends with this shell.
vm_begin() {
  requires qemu-system-x86_64 ip tc nbdcopy openssl gcc cpio python3 nbdkit
  ((EUID == 0)) || {
    echo "skipped: network namespaces need root"
    exit 77
  }
  chrt -f 1 true 2>/dev/null || {
    echo "skipped: this machine refuses real-time priority, which QEMU's TCG needs here"
    exit 77
  }
  "$FORESHIFT_BIN/foreshift" announce --help >/dev/null 2>&1 || {
    echo "skipped: this foreshift cannot migrate a VM"
    exit 77
  }
  cluster_begin
  trap 'code=$?; net_down; (exit $code); cluster_end' EXIT
  net_up "${1:-1000}"
  VM_GUEST=${VM_GUEST:-$source_dir/build/vm}
  bash "$source_dir/tests/vm/guest/build.sh" "$VM_GUEST" || exit
  export VM_GUEST FORESHIFT_BIN
}

# vm_python SCRIPT ARGUMENT...: run where the tools are.
vm_python() {
  ip netns exec "$(net_name)-s" python3 "$source_dir/tests/vm/$1" "${@:2}"
}
