#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What cluster-config/ offers is true: the examples have every key with its default, and systemd
# accepts the units and finds them hardened.
source "$(dirname "$0")/lib.sh"
requires systemd-analyze
[[ -x $FORESHIFT_BIN/foreshift ]] || fail "no binaries in $FORESHIFT_BIN: run ./dev build"
config=$source_dir/cluster-config
work=$(mktemp -d /tmp/foreshift.XXXXXX)
trap 'rm -rf "$work"' EXIT

for program in coordinator agent; do
  "$FORESHIFT_BIN/foreshift-$program" --print-config-example >"$work/$program.toml" ||
    fail "$program"
  diff <(grep -v '^#' "$config/$program.example.toml" | sed '/^$/d') \
    <(grep -v '^#' "$work/$program.toml" | sed '/^$/d') ||
    fail "$program.example.toml is not what --print-config-example prints"
  "$FORESHIFT_BIN/foreshift-$program" --config "$config/$program.example.toml" --check-config ||
    fail "$program.example.toml does not pass"
done

for unit in foreshift-coordinator foreshift-agent; do
  # Only the programs' places are made up: they are not installed here.
  sed "s#/usr/bin/$unit .*#/bin/true#" "$config/systemd/$unit.service" >"$work/$unit.service"
  wrong=$(systemd-analyze verify "$work/$unit.service" 2>&1) || fail "$wrong"
  [[ -z $wrong ]] || fail "$wrong"
  # 0 is tight, 10 is open.
  systemd-analyze security --offline=true --threshold=30 "$work/$unit.service" >"$work/said" ||
    fail "$unit is too open: $(tail -1 "$work/said")"
  note "$(tail -1 "$work/said")"
  for key in NoNewPrivileges=yes ProtectSystem=strict StateDirectoryMode=0700 UMask=0077; do
    grep -qx "$key" "$config/systemd/$unit.service" || fail "$unit lacks $key"
  done
done
note "done"
