#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Computes the scores of `foreshift simulate` again, from nothing but the trace and its picks.

usage: simulate_check.py TRACE PICKS JSON [--extent BYTES] [--budget SHARE] [--span SECONDS]
                         [--horizon SECONDS]
Knows CloudPhysics CSV, ARC .lis and fio iologs; exits 1 at the first figure that differs.
"""
import argparse
import collections
import csv
import gzip
import json
import math
import subprocess
import sys

PAGE = 4096
FLIPS = (1, 10, 60, 300)


def text_lines(path):
    if path.endswith(".gz"):
        return gzip.open(path, "rt").read().splitlines()
    if path.endswith(".zst"):
        return subprocess.run(["zstdcat", path], check=True, capture_output=True,
                              text=True).stdout.splitlines()
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def cloudphysics(lines, _span):
    for line in lines[1:]:
        _, at, op, size, block = line.split(",")
        if op in ("28", "2a"):
            yield int(at), int(block) * 512, int(size), op == "28"


def arc(lines, span):
    for i, line in enumerate(lines):
        block, count, _, _ = line.split()
        yield i * span / len(lines), int(block) * 512, int(count) * 512, True


def iolog(lines, _span):
    for line in lines[1:]:
        parts = line.split()
        if len(parts) == 5:
            yield int(parts[0]) / 1e6, int(parts[3]), int(parts[4]), parts[2] == "read"


def requests_of(path, span):
    lines = text_lines(path)
    if lines[0].startswith("fio version 3"):
        reader = iolog
    elif lines[0].startswith("version,"):
        reader = cloudphysics
    else:
        reader = arc
    requests = list(reader(lines, span))
    start = requests[0][0]
    return [(at - start, offset, size, read) for at, offset, size, read in requests]


def pages(offset, size):
    return range(offset // PAGE, (offset + size - 1) // PAGE + 1)


class Horizon:
    """What is accessed in one horizon, by extent."""

    def __init__(self, requests, begin, extent):
        self.by = collections.defaultdict(lambda: collections.defaultdict(float))
        seen, read_seen = set(), set()
        per_extent = extent // PAGE
        for at, offset, size, read in requests:
            for page in pages(offset, size):
                row = self.by[page // per_extent]
                row["access"] += 1
                if page not in seen:
                    seen.add(page)
                    row["distinct"] += 1
                    for flip in FLIPS:
                        if at - begin < flip:
                            row[flip] += 1
                if read:
                    row["read_access"] += 1
                    if page not in read_seen:
                        read_seen.add(page)
                        row["read_distinct"] += 1

    def total(self, what):
        return sum(row[what] for row in self.by.values())

    def within(self, chosen, what):
        return sum(self.by[e][what] for e in chosen if e in self.by)

    def best(self, budget, what):
        return sum(sorted((row[what] for row in self.by.values()), reverse=True)[:budget])


def mean(shares):
    shares = [s for s in shares if s is not None]
    return sum(shares) / len(shares) if shares else None


def share(part, whole):
    return part / whole if whole else None


def same(what, ours, theirs):
    if ours is None and theirs is None:
        return
    if ours is None or theirs is None or not math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-6):
        sys.exit(f"{what}: recomputed {ours}, simulate says {theirs}")


def read_picks(path):
    times, picks = {}, collections.defaultdict(lambda: collections.defaultdict(set))
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            k = int(row["decision"])
            times[k] = float(row["time_s"])
            chosen = picks[row["arm"]][k]
            if int(row["extent"]) in chosen:
                sys.exit(f"arm {row['arm']} picks extent {row['extent']} twice at {k}")
            chosen.add(int(row["extent"]))
    return times, picks


def check(a):
    requests = requests_of(a.trace, a.span)
    with open(a.json, encoding="utf-8") as file:
        told = json.load(file)
    times, picks = read_picks(a.picks)
    touched = {page * PAGE // a.extent for _, offset, size, _ in requests
               for page in pages(offset, size)}
    budget = max(1, int(len(touched) * a.budget + 1e-9))
    same("requests", len(requests), told["requests"])
    same("extents", len(touched), told["extents"])
    same("budget", budget, told["budget_extents"])
    # A decision in which no arm chose anything has no line in the picks.
    count, first = told["decisions"], told["first_decision_s"]
    for k, at in times.items():
        same(f"time of decision {k}", first + k * a.horizon, at)
    horizons = []
    for k in range(count):
        begin = first + k * a.horizon
        horizons.append(Horizon([r for r in requests if begin <= r[0] < begin + a.horizon], begin,
                                a.extent))

    names = ("access", "distinct", "read_access", "read_distinct")
    best = {w: mean([share(h.best(budget, w), h.total(w)) for h in horizons]) for w in names}
    same("oracle access", best["access"], told["oracle"]["access"])
    same("oracle distinct", best["distinct"], told["oracle"]["distinct"])
    for name, arm in told["arms"].items():
        chosen = [picks[name].get(k, set()) for k in range(count)]
        if any(len(c) > budget for c in chosen):
            sys.exit(f"arm {name} is above the budget")
        got = {w: mean([share(h.within(c, w), h.total(w)) for h, c in zip(horizons, chosen)])
               for w in names + FLIPS}
        for what, where, key in (("access", arm, "access"), ("distinct", arm, "distinct"),
                                 ("read_access", arm["reads"], "access"),
                                 ("read_distinct", arm["reads"], "distinct")):
            same(f"{name} {what}", got[what], where[key])
            of_oracle = None if got[what] is None or not best[what] else got[what] / best[what]
            same(f"{name} {what} of oracle", of_oracle, where["of_oracle_" + key])
        for flip in FLIPS:
            if flip <= a.horizon:
                same(f"{name} after {flip} s", got[flip], arm["after_flip"][str(flip)])
        moved = [len(now - before) / budget for before, now in zip(chosen, chosen[1:])]
        same(f"{name} moved", mean(moved) or 0, arm["moved"])
    print(f"{len(told['arms'])} arms, {count} decisions: all figures as recomputed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for each in ("trace", "picks", "json"):
        parser.add_argument(each)
    parser.add_argument("--extent", type=int, default=1 << 20)
    parser.add_argument("--budget", type=float, default=0.05)
    parser.add_argument("--span", type=float, default=7 * 86400)
    parser.add_argument("--horizon", type=float, default=300)
    check(parser.parse_args())
