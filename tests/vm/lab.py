# SPDX-License-Identifier: Apache-2.0
"""A Foreshift cluster on namespaces (net.sh): coordinator, agents with TLS, the command line."""

import json
import os
import signal
import subprocess
import sys
import time

ADDRESS = {"a": "10.77.0.1", "b": "10.77.0.2", "s": "10.77.0.3"}
RELAY_PORT = 10812
RELAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e", "demo", "link.py")
CERTIFICATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                            "cluster-config", "make-certificates.sh")


class Failed(Exception):
    """What a test expected did not happen."""


def expect(truth, what):
    if not truth:
        raise Failed(what)


def wait_until(seconds, what, condition, pause=0.1):
    """Polls until `condition()` is true; returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen:
            return seen
        expect(time.monotonic() < deadline, f"never came true: {what}")
        time.sleep(pause)


class Lab:
    """The processes of one test. Each leaves a pid file in the cluster's directory, so that the
    shell that began the test ends what is left of them."""

    def __init__(self):
        self.root = os.environ["CLUSTER"]
        self.bin = os.environ["FORESHIFT_BIN"]
        self.guest = os.environ["VM_GUEST"]
        self.net = os.path.basename(self.root).replace(".", "-")
        self.processes = {}
        self.peers_delayed = False
        tls = os.path.join(self.root, "tls")
        self.environment = dict(os.environ, FORESHIFT_TLS_CERT=f"{tls}/tool.pem",
                                FORESHIFT_TLS_KEY=f"{tls}/tool.key",
                                FORESHIFT_TLS_CA=f"{tls}/ca.pem")

    def path(self, *names):
        return os.path.join(self.root, *names)

    # -- processes ---------------------------------------------------------------------------------

    def command(self, place, arguments):
        return ["ip", "netns", "exec", f"{self.net}-{place}", *arguments]

    def spawn(self, name, place, arguments, **options):
        """A background process in a place's namespace, its output in NAME.log."""
        with open(self.path(f"{name}.log"), "ab") as log:
            options.setdefault("stdin", subprocess.DEVNULL)
            process = subprocess.Popen(self.command(place, arguments), stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True, **options)
        with open(self.path(f"{name}.pid"), "w") as f:
            f.write(str(process.pid))
        self.processes[name] = process
        return process

    def kill(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(20)
        os.unlink(self.path(f"{name}.pid"))

    def planes(self, place=""):
        """Pids of the data planes, which outlive their agents."""
        at = self.path(f"host-{place}")
        done = subprocess.run(["pgrep", "-f", f"^[^ ]*nbdkit .*data={at}"], capture_output=True,
                              text=True)
        return [int(x) for x in done.stdout.split()]

    def link(self, place, state):
        """Cuts a host's link at the switch (down), or joins it again (up)."""
        subprocess.run(["ip", "-n", f"{self.net}-x", "link", "set", f"v{place}", state], check=True)

    def wire_bytes(self):
        """What all hosts together have sent over their links so far."""
        done = subprocess.run(["ip", "-n", f"{self.net}-x", "-j", "-s", "link", "show"], check=True,
                              capture_output=True, text=True)
        return sum(x["stats64"]["rx"]["bytes"] for x in json.loads(done.stdout)
                   if x["ifname"] in ("va", "vb", "vs"))

    # -- the cluster -------------------------------------------------------------------------------

    def start_cluster(self, places=("a", "b"), coordinator="", agent=""):
        """`coordinator`, `agent`: more TOML for their configuration."""
        hosts = [f"host-{x}={ADDRESS[x]}" for x in places]
        subprocess.run(["bash", CERTIFICATES, self.path("tls"), f"coordinator={ADDRESS['s']}",
                        *hosts], check=True, stdout=subprocess.DEVNULL)
        with open(self.path("coordinator.toml"), "w") as f:
            f.write(f'data = "{self.path("coordinator")}"\n[door]\nlisten = "{ADDRESS["s"]}:7400"\n'
                    f'{self.tls_of("coordinator")}{coordinator}\n')
        self.start_coordinator()
        for place in places:
            self.configure_agent(place, agent)
            self.start_agent(place)
        self.await_hosts(places)

    def tls_of(self, name):
        at = self.path("tls", name)
        return (f'[tls]\ncertificate = "{at}.pem"\nkey = "{at}.key"\n'
                f'ca = "{self.path("tls", "ca.pem")}"\n')

    def configure_agent(self, place, more):
        host, at = f"host-{place}", ADDRESS[place]
        os.makedirs(self.path(host), exist_ok=True)
        with open(self.path(host, "agent.toml"), "w") as f:
            f.write(f'[host]\nname = "{host}"\ndata = "{self.path(host, "data")}"\n'
                    f'[coordinator]\naddress = ["{ADDRESS["s"]}:7400"]\n'
                    f'[door]\nlisten = "{at}:7401"\n'
                    f'[plane]\nsocket = "{self.socket(place)}"\nlisten = "{at}:10809"\n'
                    f'door = "{at}:10810"\nplugin = "{self.bin}/nbdkit-foreshift-plugin.so"\n'
                    f'{self.advertised(place)}reserve = "16MiB"\n{self.tls_of(host)}{more}\n')

    def advertised(self, place):
        return f'advertise = "{ADDRESS[place]}:{RELAY_PORT}"\n' if self.peers_delayed else ""

    def delay_peers(self, round_trip_ms, places=("a", "b")):
        """From now on, what one host reads from another takes so much longer."""
        self.peers_delayed = True
        for place in places:
            self.spawn(f"relay-{place}", place, [
                sys.executable, RELAY, str(round_trip_ms / 2), "1e9",
                f"{ADDRESS[place]}:{RELAY_PORT}:10809"])
            self.kill(f"agent-{place}", signal.SIGTERM)
            for pid in self.planes(place):
                os.kill(pid, signal.SIGTERM)
            wait_until(20, "the data plane has ended", lambda at=place: not self.planes(at))
            self.configure_agent(place, "")
            self.start_agent(place)
        self.await_hosts(places)

    def await_hosts(self, places):
        def up():
            hosts = self.try_ask("host", "list").get("hosts", [])
            return sum(x.get("up", False) and "plane" in x for x in hosts) == len(places)

        wait_until(40, "all hosts are up", up)

    def start_coordinator(self):
        self.spawn("coordinator", "s", [f"{self.bin}/foreshift-coordinator", "--config",
                                        self.path("coordinator.toml")])

    def start_agent(self, place):
        self.spawn(f"agent-{place}", place, [f"{self.bin}/foreshift-agent", "--config",
                                             self.path(f"host-{place}", "agent.toml")])

    def socket(self, place):
        return self.path(f"host-{place}", "nbd.sock")

    def uri(self, place, volume):
        return f"nbd+unix:///{volume}?socket={self.socket(place)}"

    # -- the command line --------------------------------------------------------------------------

    def cli(self, *arguments):
        return [f"{self.bin}/foreshift", "-C", f"{ADDRESS['s']}:7400", *arguments]

    def run(self, *arguments, timeout=120):
        """One command that must succeed; returns its output."""
        done = subprocess.run(self.cli(*arguments), capture_output=True, text=True, timeout=timeout,
                              env=self.environment)
        expect(done.returncode == 0,
               f"foreshift {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, *arguments, **options):
        return json.loads(self.run("-o", "json", *arguments, **options))

    def try_ask(self, *arguments):
        try:
            return self.ask(*arguments)
        except (Failed, subprocess.TimeoutExpired):
            return {}

    def announce(self, volume, place):
        """Lets clients at `place` connect before the volume is attached there; copies nothing."""
        self.run("announce", volume, "--to", f"host-{place}", "--no-copy")

    def flip(self, volume, place):
        return self.ask("flip", volume, "--to", f"host-{place}")

    def settled(self, volume):
        """The owner, once no task is changing it."""
        def at_rest():
            lease = self.try_ask("volume", "show", volume).get("lease", {})
            return lease if lease and int(lease.get("prepared", {}).get("id", 0)) == 0 else None

        return wait_until(60, f"the lease of {volume} is at rest", at_rest)["holder"][-1:]

    def holder(self, volume):
        """The place that owns the volume, by the coordinator's record; None: nobody."""
        return self.ask("volume", "show", volume)["lease"].get("holder", "")[-1:] or None

    def states(self, volume):
        """What each data plane says of the volume's lease."""
        found = {}
        for host in self.ask("host", "list")["hosts"]:
            for row in host.get("plane", {}).get("volumes", []):
                if row.get("name") == volume:
                    found[host["address"]["name"][-1:]] = row.get("state", "NONE").upper()
        return found

    def filled_volume(self, name, mib, place, homes="ab", replicas=1):
        """A volume attached at `place`, every block stamped with generation 1."""
        self.run("volume", "create", name, f"{mib}MiB", "--home",
                 ",".join(f"host-{x}" for x in homes), "--replicas", str(replicas))
        self.run("volume", "attach", name, f"host-{place}")
        self.fill(self.uri(place, name), mib)

    def fill(self, uri, mib):
        fill = subprocess.Popen([f"{self.guest}/stamps", "fill", str(mib * 256)],
                                stdout=subprocess.PIPE)
        subprocess.run(["nbdcopy", "--flush", "-", uri], stdin=fill.stdout, check=True)
        expect(fill.wait() == 0, "the volume was filled")

    def check(self, uri, generations):
        """Reads a whole disk from outside: every block stamped, none older than was told."""
        wanted = self.path("generations")
        with open(wanted, "wb") as f:
            generations.tofile(f)
        copy = subprocess.Popen(["nbdcopy", uri, "-"], stdout=subprocess.PIPE)
        check = subprocess.run([f"{self.guest}/stamps", "check", wanted], stdin=copy.stdout,
                               capture_output=True, text=True)
        copy.stdout.close()
        expect(copy.wait() == 0, f"{uri} can be read")
        expect(check.returncode == 0, f"stamps at {uri}: {check.stdout}")
        return check.stdout.strip()
