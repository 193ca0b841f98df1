# SPDX-License-Identifier: Apache-2.0
"""Faults by a random schedule while stamped clients write, volumes flip and migrate. After each
fault: one owner per volume, and its clients are served again. At the end: every block is read at
every host, and `foreshift check-history` decides. One seed, one schedule."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

from faults import FAULTS
from world import HOSTS, VOLUMES, World, say

HEALTHY_WITHIN_S = 45
WHOLE_WITHIN_S = 90


def schedule(seed, seconds, names):
    """[(at second, fault, host, seconds it lasts)], all decided by the seed. Every fault comes once
    before any comes twice."""
    rng = random.Random(seed)
    out, at, bag = [], 2.0, []
    while at < seconds - 4 or not out:
        bag = bag or rng.sample(names, len(names))
        name = bag.pop()
        lasts = round(rng.uniform(0.3, 1.0) * FAULTS[name].longest, 1)
        out.append((round(at, 1), name, rng.choice(HOSTS), lasts))
        at += lasts + rng.uniform(1.0, 3.0)
    return out


class Movements(threading.Thread):
    """Flips and migrations all the time; any of them may fail while a fault is on."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.rng = world, random.Random(seed + 1)
        self.done = threading.Event()
        self.tried, self.succeeded = 0, 0

    def run(self):
        while not self.done.wait(self.rng.uniform(0.3, 2.0)):
            volume, to = self.rng.choice(list(VOLUMES)), self.rng.choice(HOSTS)
            how = self.rng.choice([("flip", volume, "--to", to),
                                   ("flip", volume, "--to", to),
                                   ("migrate", volume, "--to", to, "--gate", "50%", "--timeout",
                                    "6s"),
                                   ("migrate", volume, "--to", to, "--no-preposition")])
            self.tried += 1
            try:
                self.world.run(*how)
                self.succeeded += 1
            except RuntimeError:
                pass


class Followers(threading.Thread):
    """Sends clients after their volumes, as a migrated VM's would be."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.25):
            for volume in VOLUMES:
                holder = self.world.lease(volume).get("holder")
                if holder in HOSTS:
                    self.world.follow(volume, holder)


def possible(world, options):
    """Fault names that this machine allows; says which not."""
    have = set()
    if shutil.which("fiu-ctrl"):
        have.add("fiu")
    if all(os.path.exists(f"{world.root}/{host}/own-disk") for host in HOSTS):
        have.add("own-disk")
    wanted = options.faults.split(",") if options.faults else list(FAULTS)
    out = [x for x in wanted if FAULTS[x].needs is None or FAULTS[x].needs in have]
    left_out = sorted(set(wanted) - set(out))
    if left_out:
        say(f"left out: {', '.join(f'{x} (needs {FAULTS[x].needs})' for x in left_out)}")
    return out


def healthy(world):
    return world.hosts_up() and all(world.one_owner(volume) and world.whole(volume)
                                    for volume in VOLUMES)


def torment(world, plan):
    began = time.monotonic()
    for at, name, host, lasts in plan:
        time.sleep(max(0.0, began + at - time.monotonic()))
        say(f"{time.monotonic() - began:6.1f} s: {name} at {host} for {lasts} s")
        FAULTS[name].inject(world, host)
        time.sleep(lasts)
        FAULTS[name].heal(world, host)
        healed_ns, healed = time.monotonic_ns(), time.monotonic()
        world.wait(f"hosts up after {name} at {host}", world.hosts_up, HEALTHY_WITHIN_S)
        for volume in VOLUMES:
            world.wait(f"one owner of {volume} after {name} at {host}",
                       lambda v=volume: world.one_owner(v), HEALTHY_WITHIN_S)
            world.wait(f"clients of {volume} served after {name} at {host}",
                       lambda v=volume: world.served(v, healed_ns), HEALTHY_WITHIN_S)
            # One fault at a time: the next one may take what this one has left alone.
            world.wait(f"replicas of {volume} after {name} at {host}",
                       lambda v=volume: world.whole(v), WHOLE_WITHIN_S)
        took = time.monotonic() - healed
        if took > 5:
            say(f"         healthy {took:.1f} s after it was healed")


def check(world, volume):
    found = subprocess.run([world.cli, "-o", "json", "check-history", world.history(volume)],
                           text=True, capture_output=True)
    if found.returncode != 0:
        shown = subprocess.run([world.cli, "check-history", world.history(volume)], text=True,
                               capture_output=True)
        raise AssertionError(f"history of {volume}: exit {found.returncode}\n{shown.stdout}"
                             f"{found.stderr}")
    return json.loads(found.stdout)


def read_everywhere(world):
    """Each volume is flipped to each host and read there block by block: both replicas are seen."""
    for number, host in enumerate(HOSTS, 900):
        for volume in VOLUMES:
            if world.lease(volume).get("holder") != host:
                world.wait(f"{volume} flips to {host}", lambda v=volume: flipped(world, v, host),
                           HEALTHY_WITHIN_S)
            world.follow(volume, host)
            world.read_all(volume, number)


def flipped(world, volume, host):
    world.quiet_ask("flip", volume, "--to", host)
    return world.lease(volume).get("holder") == host


def play(world, options, plan):
    world.start()
    world.start_clients(options.seed)
    followers, movements = Followers(world), Movements(world, options.seed)
    followers.start()
    movements.start()
    try:
        torment(world, plan)
    finally:
        movements.done.set()
        movements.join(60)
        stuck = world.stop_clients()
        followers.done.set()
        followers.join(10)
    if stuck:
        raise AssertionError(f"{stuck} clients did not end: a request of theirs never did")
    world.wait("all is well at the end", lambda: healthy(world), HEALTHY_WITHIN_S)
    read_everywhere(world)
    totals = {"operations": 0, "reads": 0, "updates": 0, "uncertain": 0}
    for volume in VOLUMES:
        verdict = check(world, volume)
        for key in totals:
            totals[key] += int(verdict[key])
    say(f"linearizable: {totals['operations']} operations ({totals['reads']} reads, "
        f"{totals['updates']} writes, {totals['uncertain']} of uncertain outcome); {len(plan)} "
        f"faults; {movements.succeeded} of {movements.tried} flips and migrations succeeded")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--bin", "--cluster", "--ports"):
        parser.add_argument(name)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--faults", help="only these, comma-separated")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name}\t{x.needs or ''}" for name, x in FAULTS.items()))
        return 0
    world = World(options.bin, options.cluster, [int(x) for x in options.ports.split(",")])
    world.random = random.Random(options.seed + 2)
    plan = schedule(options.seed, options.seconds, possible(world, options))
    say(f"seed {options.seed}: {len(plan)} faults in {options.seconds:.0f} s and more")
    try:
        play(world, options, plan)
    except (AssertionError, RuntimeError, subprocess.SubprocessError) as why:
        keep = os.environ.get("NEMESIS_KEEP", "")
        if keep:
            shutil.copytree(world.root, keep, dirs_exist_ok=True,
                            ignore=lambda d, names: [x for x in names
                                                     if x == "data" or x.endswith(".sock")
                                                     or x.endswith(".filtered")])
        print(f"FAIL: {why}\nseed {options.seed}; again: tests/e2e/nemesis/run --seed "
              f"{options.seed} --seconds {options.seconds:.0f}", file=sys.stderr)
        return 1
    finally:
        world.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
