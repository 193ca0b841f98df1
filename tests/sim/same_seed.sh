#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The first test of a simulation: the same seed is the same run, event by event.
set -euo pipefail
sim=$1
first=$("$sim" --last 10 --hashes | grep -v seeds) || true
second=$("$sim" --last 10 --hashes | grep -v seeds) || true
[[ -n $first && $first == "$second" ]] || {
  diff <(echo "$first") <(echo "$second") >&2
  exit 1
}
