# SPDX-License-Identifier: Apache-2.0
"""usage: bench.py [--pairs N] [--migrations N] [--rounds N] [--mirror GIBxROUNDS]...
[--with FILE]... [--json FILE] [SECTION...]
A QEMU guest's live migration with our volumes beside shared storage and beside a full mirror of its
disk, interleaved in one run. Without KVM: ratios count, times do not."""

import argparse
import json
import time

from contenders import Mirror, Ours, Shared
from lab import Failed, Lab, expect, wait_until
from measure import first_after, longest_gap, median, quantile, window, written_bytes

WARM_S = 4.0
TAIL_S = 3.0
FIRST_IO_S = 30.0
HOT_MIB = 64
PHASES = ("gate", "ram", "drain", "promote", "flip", "resume", "first-io")


class Table:
    def __init__(self):
        self.rows, self.runs = [], []

    def row(self, what, ours, baseline="", ratio=None, target="", n=0):
        self.rows.append({"what": what, "ours": ours, "baseline": baseline, "ratio": ratio,
                          "target": target, "runs": n})
        shown = f"{ratio:7.3f}x" if ratio is not None else ""
        print(f"  {what:<52} {ours:>22}  {baseline:>30}  {shown:>9}  {target}  (n={n})", flush=True)


def ms(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def us(value):
    return "-" if value is None else f"{value:.0f} us"


def over(a, b):
    return a / b if a is not None and b else None


def measured(contender, warm_s, tail_s):
    """One migration of a machine that has been doing I/O, and what its guest noticed."""
    expect(contender.machine.life.running(), f"{contender.name}: the guest runs")
    time.sleep(warm_s)
    seen = contender.switch()
    time.sleep(tail_s)
    wait_until(FIRST_IO_S, f"a request of {contender.name}'s guest ends after its resumption",
               lambda: first_after(contender.machine.records(), seen["to"]), pause=0.5)
    records = contender.machine.records()
    resumed = first_after(records, seen["to"])
    seen.update({
        "switch_s": seen["device"] - seen["pre_switchover"],
        "stop_to_resume_s": seen["resume"] - seen["stop"],
        "flush_s": seen["pre_switchover"] - seen["stop"],
        "request_to_resume_s": seen["resume"] - seen["request"],
        "gap_s": longest_gap(records, seen["request"], max(seen["resume"], resumed) + 1.0),
        "first_io_s": resumed - seen["resume"],
        "written_bytes": written_bytes(records, seen["request"], seen["resume"]),
        "before": window(records, seen["request"] - warm_s, seen["request"]),
        "during_ram": window(records, seen["ram"], seen["stop"]),
        "after": window(records, resumed, resumed + 1.0)})
    contender.machine.expect_clean()
    return seen


def phase_s(task, name):
    """How long a phase of Foreshift's own account took."""
    return next((int(x["durationUs"]) / 1e6 for x in task.get("vm", {}).get("phases", [])
                 if x.get("name") == name), None)


class Bench:
    def __init__(self, options):
        self.options, self.table = options, Table()
        self.lab = Lab()
        self.lab.start_cluster(coordinator='[policy]\nhold = "2s"\n')
        self.failed = {}
        self.former = []
        for path in options.runs or []:
            with open(path) as f:
                self.former += json.load(f)["runs"]

    def all_of(self, name):
        """Runs of that name, also those of earlier days that were named with --with."""
        return [x for x in self.former + self.table.runs if x["contender"] == name]

    def run(self, contender, warm_s=WARM_S, tail_s=TAIL_S, kept_as=None):
        """A measured migration; None when it failed, which is counted."""
        try:
            seen = measured(contender, warm_s, tail_s)
        except Failed as why:
            self.failed.setdefault(contender.name, []).append(str(why))
            print(f"  FAILED {contender.name}: {why}", flush=True)
            return None
        seen["contender"] = kept_as or contender.name
        self.table.runs.append(seen)
        self.save()
        return seen

    def save(self):
        """After every run, so that one that is broken off has shown something."""
        if not self.options.json:
            return
        with open(self.options.json, "w") as f:
            json.dump({"rows": self.table.rows, "runs": self.table.runs,
                       "failed": self.failed}, f, indent=1)

    def boot(self, contender):
        contender.machine.boot("a")
        return contender

    # -- sections ----------------------------------------------------------------------------------

    def in_pairs(self, pairs, warm_s=WARM_S, tail_s=TAIL_S):
        """What each migration of ours and of shared storage came to, in turn, there and back. A
        guest that dies of its migration, which QEMU's TCG does to some (see machine.py), is
        counted and replaced."""
        contenders = [self.in_turn(kind, 0) for kind in (Ours, Shared)]
        for pair in range(pairs):
            for i in (0, 1) if pair % 2 == 0 else (1, 0):
                one = contenders[i]
                one.go_on()
                if self.run(one, warm_s, tail_s, kept_as=type(one).__name__.lower()):
                    one.pause()
                else:
                    one.give_up()
                    contenders[i] = self.in_turn(type(one), pair + 1)
        for one in contenders:
            one.go_on()
            one.machine.verify()
            one.end()

    def in_turn(self, kind, number):
        one = self.boot(kind(self.lab, f"{kind.__name__.lower()}{number}", 256,
                             IO_HOT_MIB=HOT_MIB))
        one.pause()
        return one

    def pairs(self):
        """Ours, announced beforehand, against shared storage; there and back, in turn."""
        if self.options.pairs:
            self.in_pairs(self.options.pairs)
        self.compare(self.all_of("ours"), self.all_of("shared"), "shared")
        self.alone(self.all_of("ours"))

    def compare(self, ours, theirs, name):
        n = min(len(ours), len(theirs))
        wanted = {"shared": {"stop_to_resume_s": "<= 1.05x", "flush_s": "", "gap_s": "<= 1.10x",
                             "request_to_resume_s": ""},
                  "mirror 1 GiB": {"gap_s": "<= 0.50x", "request_to_resume_s": "<= 0.10x"},
                  "mirror 8 GiB": {"gap_s": "<= 0.50x", "request_to_resume_s": "<= 0.02x"}}[name]
        words = {"stop_to_resume_s": "STOP to RESUME", "flush_s": "of it until pre-switchover",
                 "gap_s": "guest's longest gap",
                 "request_to_resume_s": "request to running at the destination"}
        for key, target in wanted.items():
            a, b = (median([x[key] for x in xs]) for xs in (ours, theirs))
            self.table.row(words[key], ms(a), f"{name}: {ms(b)}", over(a, b), target, n)
        a, b = (median([x["wire_bytes"] for x in xs]) for xs in (ours, theirs))
        self.table.row("bytes on the wire in that time", f"{a / 1e6:.1f} MB",
                       f"{name}: {b / 1e6:.1f} MB", over(a, b), "", n)
        a, b = (median([over(x["during_ram"]["iops"], x["before"]["iops"]) for x in xs])
                for xs in (ours, theirs))
        self.table.row("guest IOPS during the RAM copy, of before", f"{a:.2f}", f"{name}: {b:.2f}",
                       over(a, b), ">= 0.50" if name == "shared" else "", n)

    def alone(self, ours):
        switches = [x["switch_s"] for x in ours]
        n = len(ours)
        self.table.row("flip's share (pre-switchover to continue), p50", ms(median(switches)), "",
                       None, "<= 1.5 ms", n)
        self.table.row("the same, p99", ms(quantile(switches, 0.99)), "", None, "<= 10 ms", n)
        ram = median([x["ram_bytes"] for x in ours])
        written = median([x["written_bytes"] for x in ours])
        for what, extra in (
                ("bytes on the wire beyond RAM, of the hot set",
                 median([x["wire_bytes"] - x["ram_bytes"] for x in ours])),
                ("the same without what the guest wrote meanwhile",
                 median([x["wire_bytes"] - x["ram_bytes"] - x["written_bytes"] for x in ours]))):
            self.table.row(what, f"{extra / 1e6:.2f} MB",
                           f"RAM {ram / 1e6:.1f} MB, written {written / 1e6:.1f} MB",
                           extra / (HOT_MIB << 20), "<= 0.01x", n)
        for name in PHASES:
            spans = [phase_s(x["task"], name) for x in ours]
            self.table.row(f"phase {name}, p50", ms(median(spans)),
                           f"p99 {ms(quantile(spans, 0.99))}", None, "", n)

    def mirror(self):
        """Ours against a full mirror of 1 GiB (every round) and 8 GiB (once)."""
        for gib, rounds in self.options.mirror or ((1, self.options.rounds), (8, 1)):
            for i in range(rounds):
                for kind in (Ours, Mirror):
                    name = f"{kind.__name__.lower()}{gib}g"
                    one = self.boot(kind(self.lab, f"{name}{i}", gib << 10, IO_HOT_MIB=HOT_MIB))
                    ended = one.end if self.run(one, kept_as=name) else one.give_up
                    ended()
            ours, theirs = self.all_of(f"ours{gib}g"), self.all_of(f"mirror{gib}g")
            if ours and theirs:
                self.compare(ours, theirs, f"mirror {gib} GiB")

    def preposition(self):
        """Guest IOPS while the hot set is copied to a host that has nothing of the volume."""
        for i in range(self.options.rounds):
            one = self.boot(Ours(self.lab, f"fresh{i}", 256, IO_HOT_MIB=HOT_MIB))
            self.learn(one, HOT_MIB)
            begin = time.time()
            time.sleep(WARM_S)
            asked = time.time()
            one.prepare("b")
            moved = time.time()
            time.sleep(WARM_S)
            records = one.machine.records()
            self.table.runs.append({"contender": "preposition", "seconds": moved - asked,
                                    "before": window(records, begin, asked),
                                    "during": window(records, asked, moved),
                                    "after": window(records, moved, moved + WARM_S)})
            self.save()
            one.end()
        for phase, what, target in (
                ("during", "guest IOPS while extents are pre-positioned, of before", ">= 0.90"),
                ("after", "  the same afterwards, every write at both hosts", "")):
            shares = [over(x[phase]["iops"], x["before"]["iops"])
                      for x in self.all_of("preposition") if phase in x]
            if shares:
                self.table.row(what, f"{median(shares):.2f}", "", None, target, len(shares))

    def learn(self, one, hot_mib):
        """Until the forecast knows the hot set."""
        def known():
            forecast = self.lab.ask("hot", one.volume, "--top", "1000")["forecast"]
            used = [x for x in forecast.get("extents", [])
                    if x.get("reads", 0) + x.get("writes", 0) > 0]
            return len(used) >= hot_mib * 0.9

        wait_until(120, f"the forecast of {one.volume} knows the hot set", known, pause=1.0)

    def promise(self):
        """Promised blackouts against what came true, and the flip's share over many migrations."""
        def learned(number):
            fresh = self.boot(Ours(self.lab, f"promised{number}", 128, IO_HOT_MIB=16))
            self.learn(fresh, 16)
            return fresh

        one = learned(0)
        for i in range(self.options.migrations):
            if not self.run(one, 1.0, 1.0, kept_as="promised"):
                one.give_up()
                one = learned(i + 1)
        switches, within, promised = [], 0, 0
        for seen in self.all_of("promised"):
            switches.append(seen["switch_s"])
            said = seen["task"].get("promised", {})
            if int(said.get("blackoutHighUs", 0)) > 0:
                promised += 1
                came = seen["stop_to_resume_s"] * 1e6
                within += int(said["blackoutLowUs"]) <= came <= int(said["blackoutHighUs"])
        one.machine.verify()
        one.end()
        self.table.row("flip's share over many migrations, p50", ms(median(switches)), "", None,
                       "<= 1.5 ms", len(switches))
        self.table.row("the same, p99", ms(quantile(switches, 0.99)), "", None, "<= 10 ms",
                       len(switches))
        self.table.row("blackouts within the promised interval",
                       f"{within} of {promised}", "", over(within, promised), ">= 0.90x", promised)

    def remote(self):
        """The first second after the flip, when what stayed behind is 2 ms away."""
        self.lab.delay_peers(2)
        for i in range(self.options.rounds):
            one = self.boot(Ours(self.lab, f"remote{i}", 256, IO_HOT_MIB=HOT_MIB))
            self.learn(one, HOT_MIB)
            self.run(one, kept_as="remote")
            one.end()
        for name, target in (("p50", "<= 1.20x"), ("mean", "<= 1.50x")):
            got = [over(x["after"][f"read_{name}_us"], x["before"][f"read_{name}_us"])
                   for x in self.all_of("remote")]
            self.table.row(f"guest's reads, first second after the flip, {name}, of before", "", "",
                           median(got), target, len(got))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--migrations", type=int, default=50)
    parser.add_argument("--mirror", type=lambda x: tuple(map(int, x.split("x"))), action="append",
                        metavar="GIBxROUNDS", help="sizes of the section mirror (default 1, and 8 "
                                                   "once)")
    parser.add_argument("--with", dest="runs", action="append", metavar="FILE",
                        help="count the runs of this --json file as well")
    parser.add_argument("--json", help="also write rows and single runs there, run by run")
    parser.add_argument("sections", nargs="*")
    options = parser.parse_args()
    bench = Bench(options)
    for name in options.sections or ["pairs", "preposition", "mirror", "promise", "remote"]:
        print(f"{name}: {getattr(bench, name).__doc__}", flush=True)
        getattr(bench, name)()
    for name, why in bench.failed.items():
        print(f"  {name}: {len(why)} runs failed: {why[0]}")
    bench.save()


if __name__ == "__main__":
    main()
