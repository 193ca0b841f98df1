# SPDX-License-Identifier: Apache-2.0
"""The cluster that the nemesis torments: its configuration, processes, links, volumes, clients."""

import glob
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo"))
from cluster import Cluster  # noqa: E402

HOSTS = ["host-a", "host-b", "host-c"]
VOLUMES = {"v1": "host-a,host-b", "v2": "host-b,host-c", "v3": "host-c,host-a"}
SIZE = "48MiB"
PORTS_OF_A_HOST = 7  # nbd, plane door, agent door, each with its relayed twin; coordinator's twin

AGENT = """[host]
name = "{host}"
data = "{root}/{host}/data"
[coordinator]
address = ["127.0.0.1:{coordinator}"]
[door]
listen = "127.0.0.1:{agent}"
advertise = "127.0.0.1:{agent_far}"
[plane]
socket = "{root}/{host}/nbd.sock"
listen = "127.0.0.1:{nbd}"
advertise = "127.0.0.1:{nbd_far}"
door = "127.0.0.1:{plane}"
door_advertise = "127.0.0.1:{plane_far}"
plugin = "{bin}/nbdkit-foreshift-plugin.so"
nbdkit = "{nbdkit}"
reserve = "64MiB"
hold = "25s"
{plane_extra}
[log]
level = "{log}"
"""

# The data plane under libfiu, which fails its system calls on demand (fiu-ctrl).
FIU_NBDKIT = """#!/bin/sh
export LD_PRELOAD="fiu_run_preload.so fiu_posix_preload.so" FIU_CTRL_FIFO={root}/{host}/fiu
exec nbdkit "$@"
"""


def say(text):
    print(f"-- {text}", flush=True)


class World(Cluster):
    def __init__(self, bin_dir, root, ports, fiu):
        super().__init__(bin_dir, root)
        self.bin, self.fiu = bin_dir, fiu
        self.links = {}  # host -> relay process
        self.wires = {}  # host -> ["FAR:NEAR", ...]
        self.clients = []
        self.at = {}     # volume -> host its clients follow
        for i, host in enumerate(HOSTS):
            self.configure(host, ports[i * PORTS_OF_A_HOST:(i + 1) * PORTS_OF_A_HOST])

    # -- processes

    def configure(self, host, p):
        nbdkit = "nbdkit"
        if self.fiu:
            nbdkit = f"{self.root}/{host}/nbdkit"
            with open(nbdkit, "w") as f:
                f.write(FIU_NBDKIT.format(root=self.root, host=host))
            os.chmod(nbdkit, 0o755)
        with open(f"{self.root}/{host}/agent.toml", "w") as f:
            f.write(AGENT.format(
                host=host, root=self.root, bin=self.bin, nbdkit=nbdkit, nbd=p[0], nbd_far=p[1],
                plane=p[2], plane_far=p[3], agent=p[4], agent_far=p[5], coordinator=p[6],
                log=os.environ.get("FORESHIFT_LOG", "info"),
                plane_extra=os.environ.get("PLANE_EXTRA", "")))
        near = self.address.rsplit(":", 1)[1]
        self.wires[host] = [f"{p[1]}:{p[0]}", f"{p[3]}:{p[2]}", f"{p[5]}:{p[4]}", f"{p[6]}:{near}"]

    def pid(self, name):
        with open(f"{self.root}/{name}.pid") as f:
            return int(f.read())

    def plane_pids(self, host):
        done = subprocess.run(["bash", self.lib, "plane_pids", host], text=True,
                              capture_output=True, env=self.environment)
        return [int(pid) for pid in done.stdout.split()]

    def send(self, pids, what):
        for pid in pids:
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass

    def link_up(self, host, delay_ms=0, bits=4e9):
        self.link_down(host)
        relay = os.path.join(os.path.dirname(self.lib), "demo", "link.py")
        with open(f"{self.root}/{host}/link.log", "a") as log:
            self.links[host] = subprocess.Popen(
                [sys.executable, relay, str(delay_ms), str(bits), *self.wires[host]],
                stdout=log, stderr=log)

    def link_down(self, host):
        old = self.links.pop(host, None)
        if old:
            old.kill()
            old.wait()

    def start(self):
        self.lib_call("coordinator_start")
        for host in HOSTS:
            self.link_up(host)
            self.lib_call("agent_start", host)
        self.wait("three hosts up", self.hosts_up, 60)
        for volume, homes in VOLUMES.items():
            self.run("volume", "create", volume, SIZE, "--home", homes, "--replicas", "2",
                     "--partition", "4MiB")
            self.follow(volume, homes.split(",")[0])
            self.run("volume", "attach", volume, homes.split(",")[0])

    def stop(self):
        self.stop_clients()
        for host in HOSTS:
            self.link_down(host)

    # -- what is asked of it

    def quiet_ask(self, *arguments):
        try:
            return self.ask(*arguments)
        except (RuntimeError, ValueError):
            return None

    def hosts_up(self):
        status = self.quiet_ask("status")
        return status is not None and int(status.get("hostsUp", 0)) == len(HOSTS)

    def lease(self, volume):
        shown = self.quiet_ask("volume", "show", volume)
        return (shown or {}).get("lease", {})

    def one_owner(self, volume):
        """The store names one holder, and it is the only primary, at the store's epoch."""
        lease = self.lease(volume)
        primaries = []
        for host in HOSTS:
            shown = self.quiet_ask("host", "show", host)
            if shown is None or not shown.get("up"):
                return False
            for at in shown.get("plane", {}).get("volumes", []):
                if at.get("name") == volume and at.get("state") == "primary":
                    primaries.append(host)
        return bool(lease.get("holder")) and primaries == [lease["holder"]]

    def wait(self, what, true, seconds):
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"never came true within {seconds} s: {what}")
            time.sleep(0.3)

    # -- clients

    def history(self, volume):
        return f"{self.root}/{volume}.history"

    def follow(self, volume, host):
        """Clients of the volume connect there from now on."""
        if self.at.get(volume) == host:
            return
        self.at[volume] = host
        link = f"{self.root}/{volume}.at"
        os.symlink(f"{self.root}/{host}/nbd.sock", link + ".new")
        os.replace(link + ".new", link)

    def client(self, volume, number, socket, seed, threads):
        with open(f"{self.root}/clients.log", "a") as log:
            self.clients.append(subprocess.Popen(
                [f"{self.bin}/stamped_client", "--socket", socket, "--export", volume, "--history",
                 self.history(volume), "--client", str(number), "--threads", str(threads), "--seed",
                 str(seed), "--pause-us", "3000"], stdout=log, stderr=log))

    def start_clients(self, seed):
        """Per volume: two that follow it, one that stays at one host whoever holds the lease, and
        one behind nbdkit filters that delay its requests and, on demand, fail them."""
        for i, volume in enumerate(VOLUMES):
            self.client(volume, 1, f"{self.root}/{volume}.at", seed, 2)
            self.client(volume, 11, f"{self.root}/{HOSTS[i - 1]}/nbd.sock", seed, 1)
            filtered = f"{self.root}/{volume}.filtered"
            with open(f"{self.root}/filters.log", "a") as log:
                self.clients.append(subprocess.Popen(
                    ["nbdkit", "-f", "-U", filtered, "--filter=error", "--filter=delay", "nbd",
                     f"socket={self.root}/{volume}.at", f"export={volume}", "error-rate=20%",
                     f"error-file={self.root}/{volume}.errors", "rdelay=1ms", "wdelay=2ms"],
                    stdout=log, stderr=log))
            self.client(volume, 21, filtered, seed, 1)

    def stop_clients(self):
        """Lets requests under way end; a client that cannot end is a fault of the cluster."""
        stamped = [x for x in self.clients if "stamped_client" in x.args[0]]
        for client in stamped:
            client.send_signal(signal.SIGTERM)
        stuck = 0
        for client in stamped:
            try:
                client.wait(60)
            except subprocess.TimeoutExpired:
                client.kill()
                stuck += 1
        for client in self.clients:
            if client.poll() is None:
                client.kill()
            client.wait()
        self.clients = []
        return stuck

    def successes(self, volume):
        with open(self.history(volume), "rb") as f:
            f.seek(max(0, os.path.getsize(f.name) - 20000))
            lines = f.read().split(b"\n")[1:-1]
        ends = [int(line.split()[5]) for line in lines if line.endswith(b" ok")]
        return max(ends, default=0)

    def served(self, volume, since_ns):
        return self.successes(volume) > since_ns

    def read_all(self, volume, number):
        done = subprocess.run([f"{self.bin}/stamped_client", "--socket", f"{self.root}/{volume}.at",
                               "--export", volume, "--history", self.history(volume), "--client",
                               str(number), "--verify"])
        if done.returncode != 0:
            raise AssertionError(f"not every block of {volume} can be read")

    def segments(self, host):
        """Files with extents' data, biggest first."""
        files = [x for x in glob.glob(f"{self.root}/{host}/data/**/*", recursive=True)
                 if os.path.isfile(x) and "/segments/" in x]
        return sorted(files, key=os.path.getsize, reverse=True)
