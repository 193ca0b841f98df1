#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tool without Cap'n Proto: a volume made, attached, flipped and deleted with curl; metrics.
source "$(dirname "$0")/lib.sh"
requires curl jq fio
cluster_begin
read -r port < <(free_ports 1)
COORDINATOR_EXTRA=$'[http]\nlisten = "127.0.0.1:'$port'"' cluster_start 2

base=http://127.0.0.1:$port
ask() { curl -sS --max-time 30 "$base/v1/$1" "${@:2}"; }
post() { ask "$1" -H 'Content-Type: application/json' -d "$2"; }

note "a volume by JSON"
ask VolumeList | jq -e '(.volumes // []) | length == 0' >/dev/null || fail "volumes out of nowhere"
post VolumeCreate '{"name": "db", "sizeBytes": 67108864, "homes": ["host-a"]}' |
  jq -e '.spec.name == "db"' >/dev/null || fail "create"
post VolumeAttach '{"name": "db", "host": "host-a"}' | jq -e '.state == "done"' >/dev/null ||
  fail "attach"
fio_nbd "$(uri host-a db)" --rw=randwrite --bs=4k --size=8M
post FlipStart '{"volume": "db", "to": "host-b"}' | jq -e '.state == "done"' >/dev/null ||
  fail "flip"
expect_owner db host-b

note "errors"
[[ $(ask "VolumeShow?name=none" -o "$CLUSTER/out" -w '%{http_code}') == 404 ]] || fail "no 404"
jq -e '.code == "not_found" and (.detail | contains("none"))' "$CLUSTER/out" >/dev/null ||
  fail "$(cat "$CLUSTER/out")"

note "metrics"
metric() { curl -sS --max-time 30 "$base/metrics" | awk -v name="$1" '$1 == name {print $2}'; }
written() { [[ $(metric 'foreshift_writes_total{host="host-a",volume="db"}') -ge 2048 ]]; }
wait_until 10 written
[[ $(metric 'foreshift_host_up{host="host-b"}') == 1 ]] || fail "host-b is up"
[[ $(metric 'foreshift_volume_epoch{volume="db"}') == 2 ]] || fail "epoch"

post VolumeDetach '{"name": "db"}' >/dev/null
post VolumeDelete '{"name": "db"}' | jq -e '. == {}' >/dev/null || fail "delete"
