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
from links import Namespaces, Relays  # noqa: E402

HOSTS = ["host-a", "host-b", "host-c"]
VOLUMES = {"v1": "host-a,host-b", "v2": "host-b,host-c", "v3": "host-c,host-a"}
SIZE = "48MiB"
PORTS_OF_A_HOST = 7  # nbd, plane door, agent door, each with its relayed twin; coordinator's twin

ADDRESS = {"host-a": "10.77.0.1", "host-b": "10.77.0.2", "host-c": "10.77.0.3"}  # in namespaces

AGENT = """[host]
name = "{host}"
data = "{root}/{host}/data"
[coordinator]
address = ["{coordinator}"]
{doors}
socket = "{root}/{host}/nbd.sock"
plugin = "{bin}/nbdkit-foreshift-plugin.so"
nbdkit = "{root}/{host}/nbdkit"
reserve = "64MiB"
hold = "25s"
{plane_extra}
[scrub]
rate = "1GiB"
[log]
level = "{log}"
{tls}
"""
RELAYED_DOORS = """[door]
listen = "127.0.0.1:{4}"
advertise = "127.0.0.1:{5}"
[plane]
listen = "127.0.0.1:{0}"
advertise = "127.0.0.1:{1}"
door = "127.0.0.1:{2}"
door_advertise = "127.0.0.1:{3}"
"""
DOORS = """[door]
listen = "{0}:7401"
[plane]
listen = "{0}:10809"
door = "{0}:10810"
"""
TLS = """[tls]
certificate = "{root}/tls/{host}.pem"
key = "{root}/tls/{host}.key"
ca = "{root}/tls/ca.pem"
"""


def say(text):
    print(f"-- {text}", flush=True)


class World(Cluster):
    def __init__(self, bin_dir, root, ports):
        super().__init__(bin_dir, root)
        self.bin = bin_dir
        self.clients = []
        self.at = {}     # volume -> host its clients follow
        own = {host: ports[i * PORTS_OF_A_HOST:(i + 1) * PORTS_OF_A_HOST]
               for i, host in enumerate(HOSTS)}
        if os.path.exists(f"{root}/net"):
            with open(f"{root}/net") as f:
                self.links = Namespaces(f.read().strip(), HOSTS)
            for host in HOSTS:
                self.configure(host, DOORS.format(ADDRESS[host]), self.address,
                               TLS.format(root=root, host=host))
        else:
            near = self.address.rsplit(":", 1)[1]
            self.links = Relays(root, {
                host: [f"{p[1]}:{p[0]}", f"{p[3]}:{p[2]}", f"{p[5]}:{p[4]}", f"{p[6]}:{near}"]
                for host, p in own.items()})
            for host, p in own.items():
                self.configure(host, RELAYED_DOORS.format(*p), f"127.0.0.1:{p[6]}", "")

    # -- processes

    def configure(self, host, doors, coordinator, tls):
        with open(f"{self.root}/{host}/agent.toml", "w") as f:
            f.write(AGENT.format(
                host=host, root=self.root, bin=self.bin, doors=doors, coordinator=coordinator,
                tls=tls, log=os.environ.get("FORESHIFT_LOG", "info"),
                plane_extra=os.environ.get("PLANE_EXTRA", "")))

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

    def start(self):
        self.lib_call("coordinator_start")
        for host in HOSTS:
            self.links.up(host)
            self.lib_call("agent_start", host)
        self.wait("three hosts up", self.hosts_up, 60)
        for volume, homes in VOLUMES.items():
            self.run("volume", "create", volume, SIZE, "--home", homes, "--replicas", "2",
                     "--partition", "4MiB")
            self.follow(volume, homes.split(",")[0])
            self.run("volume", "attach", volume, homes.split(",")[0])

    def stop(self):
        self.stop_clients()
        self.links.end()

    # -- what is asked of it

    def quiet_ask(self, *arguments):
        try:
            return self.ask(*arguments)
        except (RuntimeError, ValueError):
            return None

    def quiet_run(self, *arguments):
        """Whether it succeeded."""
        try:
            self.run(*arguments)
            return True
        except RuntimeError:
            return False

    def note(self, text):
        say(f"         {text}")

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

    def whole(self, volume):
        """Every extent has its replicas, and nobody is left out."""
        shown = self.quiet_ask("volume", "show", volume) or {}
        return shown.get("health") == "ok" and not shown.get("lost")

    def plane_reports(self, host):
        """The data plane that runs there is the one that its host last told of."""
        shown = self.quiet_ask("host", "show", host) or {}
        return [int(shown.get("plane", {}).get("pid", 0))] == self.plane_pids(host)

    def corrupt(self, host):
        shown = self.quiet_ask("host", "show", host) or {}
        return int(shown.get("plane", {}).get("scrub", {}).get("corrupt", 0))

    def full_pass_ms(self, host):
        shown = self.quiet_ask("host", "show", host) or {}
        return int(shown.get("plane", {}).get("scrub", {}).get("fullDoneMs", 0))

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
        files = glob.glob(f"{self.root}/{host}/data/plane/volumes/*/*.extents")
        return sorted(files, key=os.path.getsize, reverse=True)
