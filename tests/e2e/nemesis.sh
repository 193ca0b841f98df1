#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The nemesis for a short while; `./dev soak MINUTES [SEED]` for longer.
exec "$(dirname "$0")/nemesis/run" --seconds "${NEMESIS_SECONDS:-60}" \
  ${NEMESIS_SEED:+--seed "$NEMESIS_SEED"}
