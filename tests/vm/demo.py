# SPDX-License-Identifier: Apache-2.0
"""A guest that reads, writes and verifies migrates a few times: its disk a volume of ours,
announced beforehand, and beside it shared storage at a third place. Ends with an error unless every
block was as written."""

import argparse

from bench import Bench, over
from measure import median

PAIRS = 2


def seconds(value):
    return "-" if value is None else f"{value:.2f} s"


def milliseconds(value):
    return "-" if value is None else f"{value * 1000:.0f} ms"


def microseconds(value):
    return "-" if value is None else f"{value:.0f} us"


def share(value):
    return "-" if value is None else f"{value:.0%}"


ROWS = [
    ("request to running at the destination", seconds, lambda x: x["request_to_resume_s"]),
    ("guest stopped (STOP to RESUME)", milliseconds, lambda x: x["stop_to_resume_s"]),
    ("longest time without a finished request", milliseconds, lambda x: x["gap_s"]),
    ("guest's IOPS while its RAM is copied", share,
     lambda x: over(x["during_ram"]["iops"], x["before"]["iops"])),
    ("guest's read p50, first second after", microseconds, lambda x: x["after"]["read_p50_us"]),
]


def main():
    bench = Bench(argparse.Namespace(json=None, runs=None))
    print(f"-- {PAIRS} migrations of each, in turn", flush=True)
    bench.in_pairs(PAIRS, warm_s=3.0, tail_s=1.5)
    got = {name: bench.all_of(name) for name in ("ours", "shared")}
    print(f"\n{'medians of ' + str(PAIRS):<42} {'shared storage':>15} {'Foreshift':>12}")
    for name, shown, of in ROWS:
        theirs, ours = (shown(median([of(x) for x in got[who]])) for who in ("shared", "ours"))
        print(f"{name:<42} {theirs:>15} {ours:>12}")
    print("\nevery block verified by the guest and by a read of the whole disk; the guest runs "
          "without KVM,\nso compare the columns, not the times")


if __name__ == "__main__":
    main()
