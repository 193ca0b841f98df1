# SPDX-License-Identifier: Apache-2.0
"""Runs the blocks of docs/tutorial.md that are marked with a host, each host's in one shell of its
own: a network namespace with /etc, /usr/local, /var and /run of its own over the machine's."""

import os
import re
import subprocess
import sys
import threading

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROOT, BIN = os.environ["CLUSTER"], os.environ["FORESHIFT_BIN"]
NET = os.path.basename(ROOT).replace(".", "-")
BLOCK = re.compile(r"^```sh (both|host-a|host-b)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Shell:
    def __init__(self, place, name):
        self.name = name
        self.own = os.path.join(ROOT, place)
        mounts = [f"mkdir -p {self.own}/run && mount --bind {self.own}/run /run"]
        for i, path in enumerate(("/etc", "/usr/local", "/var")):
            upper, work = f"{self.own}/upper{i}", f"{self.own}/work{i}"
            mounts.append(f"mkdir -p {upper} {work} && mount -t overlay overlay -o "
                          f"lowerdir={path},upperdir={upper},workdir={work} {path}")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", f"{NET}-{place}", "unshare", "-m", "--propagation", "private",
             "bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=SOURCE, start_new_session=True)
        programs = f"{BIN}/foreshift{{,-agent,-coordinator}} {BIN}/nbdkit-foreshift-plugin.so"
        self.run(" && ".join(mounts) + f"\ninstall {programs} /usr/local/bin\n"
                 f"cp -a {os.environ['VM_GUEST']} /var/lib/test-guest\n"  # No package server here.
                 # See machine.py for why.
                 "printf '#!/bin/sh\\nexec chrt -f 1 /usr/bin/qemu-system-x86_64 \"$@\"\\n' "
                 ">/usr/local/bin/qemu-system-x86_64; chmod +x /usr/local/bin/qemu-system-x86_64\n"
                 "hash -r; trap 'echo \"failed: $BASH_COMMAND\"; failed=1' ERR")

    def run(self, commands, seconds=180):
        """Ends the test unless every command succeeds."""
        self.process.stdin.write(f"failed=\n{commands}\necho \"END-OF-BLOCK $failed\"\n")
        self.process.stdin.flush()
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            if line.startswith("END-OF-BLOCK"):
                watchdog.cancel()
                if line.split()[1:]:
                    sys.exit(f"FAIL: a command at {self.name}")
                return
            print(f"{self.name}| {line}", end="", flush=True)
        sys.exit(f"FAIL: a command at {self.name} took longer than {seconds} s")


def main():
    with open(os.path.join(SOURCE, "docs", "tutorial.md"), encoding="utf-8") as f:
        blocks = BLOCK.findall(f.read())
    shells = {"host-a": Shell("a", "host-a"), "host-b": Shell("b", "host-b")}
    here, there = shells["host-a"], shells["host-b"]
    for where, commands in blocks:
        for shell in (here, there) if where == "both" else (shells[where],):
            shell.run(commands)
        # What the tutorial copies or forwards by ssh.
        if "make-certificates" in commands:
            there.run(f"cp -r {here.own}/upper0/foreshift /etc/")
        if "-incoming defer" in commands and where == "host-b":
            here.run(f"ln -s {there.own}/run/vm1.qmp /run/vm1-there.qmp")
    print(f"{len(blocks)} blocks ran")


if __name__ == "__main__":
    main()
