# SPDX-License-Identifier: Apache-2.0
"""The verbs of a replica's failure and return, sent to data planes by hand: see resync.sh."""
import json
import os
import subprocess
import sys
import time

CLUSTER = os.environ["CLUSTER"]
HOSTS = ["host-a", "host-b", "host-c"]
VOLUME = 7
SPEC = {
    "id": VOLUME, "name": "disk", "sizeBytes": 192 << 20, "extentBytes": 1 << 20,
    "partitionBytes": 16 << 20, "replicas": 2, "homes": HOSTS,
}
BATCH = 64


def run(*words):
    done = subprocess.run([os.environ["PLANE_CTL"], *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{words[:2]}: {done.stderr.strip()}")
    return done.stdout


def ask(host, verb, **request):
    return json.loads(run(f"unix:{CLUSTER}/{host}/data/run/plane.sock", verb, json.dumps(request)))


def port(host, what):
    with open(f"{CLUSTER}/{host}/{what}.port") as file:
        return file.read().strip()


def address(host):
    return {"name": host, "nbd": f"127.0.0.1:{port(host, 'nbd')}",
            "plane": f"127.0.0.1:{port(host, 'door')}", "agent": "", "zone": ""}


PEERS = [address(host) for host in HOSTS]


def placement(*changes):
    return json.loads(run("-", "placement", json.dumps(SPEC), *changes))


def held(host):
    return [int(x) for x in run("-", "placement", json.dumps(SPEC), f"?{host}").split()]


def bytes_written():
    status = ask("host-a", "status", volume=VOLUME)
    return int(status["volumes"][0]["io"]["writeBytes"])


def keep(name, value=None):
    path = f"{CLUSTER}/{name}.kept"
    if value is None:
        with open(path) as file:
            return json.load(file)
    with open(path, "w") as file:
        json.dump(value, file)


def attach():
    for host in HOSTS:
        ask(host, "configure", spec=SPEC, peers=PEERS)
        ask(host, "prepare", volume=VOLUME, epoch=1, holder="host-a")
    ask("host-a", "standby", volume=VOLUME, epoch=1, placement=placement(), peers=PEERS)
    ask("host-a", "takeover", volume=VOLUME, epoch=1, source="", sourceEpoch=0, seal=HOSTS,
        timeoutMs=5000, forced=False)


def leave_out():
    began = time.monotonic()
    keep("written", bytes_written())
    serial = 0
    while True:
        told = ask("host-a", "suspects", serial=serial, timeoutMs=20000)
        serial = int(told["serial"])
        if [x["host"] for x in told.get("suspects", [])] == ["host-b"]:
            break
        if time.monotonic() - began > 20:
            sys.exit("host-b is not suspected")
    suspected = time.monotonic()
    for host in ["host-a", "host-c"]:
        ask(host, "watch", volume=VOLUME, since=2)
    ask("host-a", "adopt", volume=VOLUME, epoch=1, placement=placement("!host-b"), peers=PEERS,
        settle=[])
    now = time.monotonic()
    print(f"-- suspected after {suspected - began:.3f} s, left out after {now - began:.3f} s")
    if ask("host-a", "suspects", serial=0, timeoutMs=0).get("suspects"):
        sys.exit("host-b is still waited for")


def ranges(extents):
    out = []
    for extent in extents:
        if out and out[-1][1] + 1 == extent:
            out[-1][1] = extent
        else:
            out.append([extent, extent])
    return [f"host-b:{first}-{last}" for first, last in out]


def return_batch(move, source, extents, back):
    ask("host-b", "stage", volume=VOLUME, move=move, extents=extents, resync=True)
    mirror = dict(volume=VOLUME, epoch=1, move=move, destination="host-b", extents=extents,
                  peers=PEERS)
    ask("host-a", "mirror", on=True, **mirror)
    changed = ask(source, "changed", volume=VOLUME, since=2)
    if not changed["known"]:
        sys.exit(f"{source} has not watched")
    pulled = ask("host-b", "pull", volume=VOLUME, move=move, source=address(source),
                 extents=extents, changed=changed["extents"])
    ask("host-a", "verify", volume=VOLUME, epoch=1, source=source, destination="host-b",
        extents=extents)
    ask("host-b", "commit", volume=VOLUME, move=move, extents=extents)
    back += ranges(extents)
    ask("host-a", "adopt", volume=VOLUME, epoch=1, placement=placement("!host-b", *back),
        peers=PEERS, settle=extents)
    ask("host-a", "mirror", on=False, **mirror)
    return int(pulled["bytesCopied"]), int(pulled["bytesSkipped"])


def bring_back():
    ask("host-b", "configure", spec=SPEC, peers=PEERS)
    ask("host-b", "promote", volume=VOLUME, epoch=1, holder="host-a")
    lost = held("host-b")
    back, move, copied, skipped = [], 100, 0, 0
    for source in ["host-a", "host-c"]:
        here = set(held(source))
        mine = [x for x in lost if x in here]
        for at in range(0, len(mine), BATCH):
            move += 1
            some = return_batch(move, source, mine[at:at + BATCH], back)
            copied, skipped = copied + some[0], skipped + some[1]
    written = bytes_written() - keep("written")
    for host in ["host-a", "host-c"]:
        ask(host, "unwatch", volume=VOLUME, since=2)
    print(f"-- {len(lost)} extents came back: "
          f"{copied} bytes copied, {written} written meanwhile, ratio {copied / written:.2f}")
    if copied > 1.2 * written:
        sys.exit("more was copied than 1.2 times what was written")
    if copied == 0:
        sys.exit("nothing was copied")


def compare():
    for host in ["host-a", "host-c"]:
        mine = sorted(set(held(host)) & set(held("host-b")))
        digests = [ask(x, "digest", volume=VOLUME, extents=mine)["digests"]
                   for x in [host, "host-b"]]
        if digests[0] != digests[1]:
            sys.exit(f"{host} and host-b differ")
        print(f"-- {len(mine)} extents of {host} and host-b are equal")


STEPS = {"attach": attach, "leave_out": leave_out, "bring_back": bring_back, "compare": compare}
STEPS[sys.argv[1]]()
