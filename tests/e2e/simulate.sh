#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `foreshift trace` and `foreshift simulate` as a user runs them: every figure is computed again by
# an independent program from the trace and the picks; wrong input is told in words.
source "$(dirname "$0")/lib.sh"
requires python3 jq gzip zstd xz fio
here=$(cd "$(dirname "$0")" && pwd)
CLUSTER=$(mktemp -d)
trap 'rm -rf "$CLUSTER"' EXIT
cd "$CLUSTER" || exit 1
fs=$FORESHIFT_BIN/foreshift

note "generated traces: the same seed gives the same bytes"
for kind in streams zipf daily scan boot; do
  "$fs" trace generate $kind --span 40m --size 4GiB --seed 7 --out $kind.iolog ||
    fail "cannot generate $kind"
done
"$fs" trace generate zipf --span 40m --size 4GiB --seed 7 | cmp - zipf.iolog || fail "not the same"

note "figures as recomputed"
for kind in streams zipf boot; do
  "$fs" simulate --trace $kind.iolog --horizon 60s --window 10s --picks picks.csv -o json \
    --report $kind.html >$kind.json || fail "cannot simulate $kind"
  python3 "$here/simulate_check.py" $kind.iolog picks.csv $kind.json --horizon 60 || exit 1
done
head -c 200000 /dev/zero | tr '\0' 'x' >rubbish
"$fs" simulate --trace zipf.iolog --horizon 60s --window 10s --extent 256KiB --budget 20% \
  --picks picks.csv -o json >other.json || fail "cannot simulate with other options"
python3 "$here/simulate_check.py" zipf.iolog picks.csv other.json --horizon 60 --budget 0.2 \
  --extent 262144 || exit 1

note "a trace without times"
awk '$3 == "read" && n < 5000 {print int($4 / 512), int($5 / 512), 0, n++}' boot.iolog >boot.lis
"$fs" simulate --trace boot.lis --span 2h --picks picks.csv -o json >lis.json || fail "no .lis"
python3 "$here/simulate_check.py" boot.lis picks.csv lis.json --span 7200 || exit 1
[[ $(jq -r .format lis.json) == arc ]] || fail "not seen as an ARC trace"

note "the same, twice, packed or not"
cp picks.csv first.csv
for pack in "gzip -k" "zstd -q" "xz -k"; do
  $pack boot.lis || fail "cannot pack"
done
for packed in boot.lis.gz boot.lis.zst boot.lis.xz; do
  "$fs" simulate --trace $packed --span 2h --picks picks.csv -o json >again.json || fail "$packed"
  cmp picks.csv first.csv || fail "$packed: other picks"
  diff <(jq 'del(.cost, .trace, .arms[].cost)' lis.json) \
    <(jq 'del(.cost, .trace, .arms[].cost)' again.json) || fail "$packed: other figures"
done

note "the report is one file that asks the network for nothing"
grep -q '<canvas' zipf.html || fail "no heat map"
! grep -qE '(src|href)=|https?://[^w]|@import|url\(' zipf.html || fail "the report refers outside"

note "tables"
"$fs" simulate --trace zipf.iolog --arms foreshift,recency >table || fail "no table"
grep -q '^foreshift ' table && grep -q '^oracle ' table || fail "rows are missing"
! grep -q '^run ' table || fail "an arm that was not asked for"

note "a converted trace is replayed by fio"
"$fs" trace convert --trace boot.lis.gz --span 2s --out replay.iolog --file replayed ||
  fail "cannot convert"
truncate -s 4G replayed
fio --name=replay --read_iolog=replay.iolog --replay_no_stall=1 --ioengine=psync >fio.out 2>&1 ||
  { cat fio.out >&2; fail "fio cannot replay it"; }
[[ $(grep -c ' read ' replay.iolog) == 5000 ]] || fail "requests are missing"
! "$fs" trace convert --trace boot.lis.gz --file 'a b' 2>/dev/null >&2 || fail "a name with a blank"

note "wrong input"
: >empty
expect_exit 1 "$fs" simulate --trace empty && expect_said 'empty is empty'
expect_exit 1 "$fs" simulate --trace rubbish && expect_said 'known format'
expect_exit 3 "$fs" simulate --trace nowhere && expect_said 'nowhere'
head -n 400 zipf.iolog >mixed && head -n 3 boot.lis >>mixed
expect_exit 1 "$fs" simulate --trace mixed && expect_said 'mixed:401:[0-9]+: '
head -c -7 boot.lis.gz >cut.gz
expect_exit 1 "$fs" simulate --trace cut.gz && expect_said 'cut off'
head -n 1000 boot.lis | # every seventh request comes an hour late
  awk '{at = $4 - (NR % 7 ? 0 : 60)
    printf "7,R,%.0f,4096,%.0f\n", $1 * 512, at * 60000000 + 7200000000}' >unsorted
expect_exit 1 "$fs" simulate --trace unsorted && expect_said 'unsorted:[0-9]+:1: time goes back'
"$fs" simulate --trace unsorted --lenient -o json >lenient.json || fail "lenient gives up"
[[ $(jq .skipped lenient.json) == 142 ]] || fail "lenient does not count what it skips"
for wrong in '--budget 0%' '--budget 101%' '--budget nan' '--train 100%' '--horizon 0' \
  '--window -1' '--extent 1000' '--extent 2TiB' '--format excel' '--arms best' '--span x' \
  '--horizon 3h'; do
  # shellcheck disable=SC2086
  expect_exit 2 "$fs" simulate --trace zipf.iolog $wrong
done
weights=$source_dir/core/forecast/lstm_start.fslw
"$fs" simulate --trace zipf.iolog --arms lstm --lstm-weights "$weights" >/dev/null ||
  fail "the weights' own file is refused"
head -c -4 "$weights" >cut.fslw
{ head -c 4 "$weights"; printf '\x09'; tail -c +6 "$weights"; } >later.fslw
{ head -c 8 "$weights"; printf '\x05'; tail -c +10 "$weights"; } >shape.fslw
for wrong in 'cut cut off' 'later version 9' 'shape of 5 inputs' 'empty not a weights file'; do
  cp -n empty empty.fslw
  expect_exit 1 "$fs" simulate --trace zipf.iolog --lstm-weights "${wrong%% *}.fslw"
  expect_said "${wrong#* }"
done
expect_exit 1 "$fs" simulate --trace zipf.iolog --picks /nowhere/x && expect_said 'cannot write'
note "passed"
