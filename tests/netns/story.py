"""What a story is written with.

    @story("case 1: a named host endpoint without policy leaves the failsafe ports")
    def _(node):
        node.start()
        node.apply(host_endpoint("eth0"))
        node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80")

A story gets a Story: a lab (tools/lab/node.py) that also judges. `sees` waits until everything is as told; `keeps` asks again and again
for a while, and every answer must be as told. The words of a probe are in Lab.targets. Manifests are made by the functions below or written
out in the story.
"""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lab"))

from namespace import die_with_parent, run, sweep  # noqa: E402,F401
from node import NODE_NAME, PATIENCE, CommandFailed, Lab, TimedOut, wait_until  # noqa: E402,F401

STORIES = {}


class Unexpected(Exception):
    """Something was not as the story says."""


class StoryEntry:
    def __init__(self, function, links, pod, kind):
        self.function, self.links, self.pod, self.kind = function, links, pod, kind


def story(name, links="eth0", pod=False, measured=False, machine=False):
    """`pod`: whether there is one, or the node's interface towards it. `measured`: it takes times or rates, and runs without neighbours.
    `machine`: it changes the whole machine, or wants devices that many kernels lack; tests/kernels tells it in machines of its own."""
    def register(function):
        if name in STORIES or ";" in name or '"' in name:
            raise ValueError(f"two stories are called {name!r}, or CMake cannot have the name")
        kind = "machine" if machine else "measured" if measured else "plain"
        STORIES[name] = StoryEntry(function, links.split(), pod, kind)
        return function

    return register


class Story(Lab):
    def sees(self, open="", closed="", refused="", within=20.0):
        wanted = _wanted(open, closed, refused)
        deadline = time.monotonic() + within * PATIENCE
        while True:
            seen = self.ask(wanted)
            if seen == wanted:
                return
            if time.monotonic() > deadline:
                raise Unexpected(_differences(wanted, seen) + self._context())

    def keeps(self, open="", closed="", refused="", seconds=1.0):
        wanted = _wanted(open, closed, refused)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen = self.ask(wanted)
            # On a busy machine an answer may take longer. That something is closed is never asked twice.
            late = [spec for spec, answer in wanted.items() if answer == "open" and seen[spec] != "open"]
            if late:
                seen |= self.ask(late, timeout=3)
            if seen != wanted:
                raise Unexpected(_differences(wanted, seen) + self._context())

    def expect(self, condition, what):
        if not condition:
            raise Unexpected(what + self._context())

    def refuses(self, *arguments, text_in=None, saying):
        """The command fails, and its message has `saying`."""
        done = self.nodewall(*arguments, text_in=text_in, check=False)
        self.expect(done.returncode != 0, f"`nodewall {' '.join(arguments)}` succeeded")
        self.expect(saying in done.stderr, f"`nodewall {' '.join(arguments)}` said {done.stderr!r}, and not {saying!r}")

    def _context(self):
        log = self.daemon.log()[-3000:] if self.daemon else ""
        status = self.nodewall("status", check=False)
        return f"\n--- nodewall status\n{status.stdout}{status.stderr}\n--- nodewalld\n{log}"

    # Counting what got past the programs.

    def count(self, **rules):
        """Counters in the node, before anything of the kernel's own can drop: count(forbidden="tcp dport 1000-1999")."""
        lines = [f"add counter inet story {name}" for name in rules]
        lines += [f"add rule inet story arrived {match} counter name {name}" for name, match in rules.items()]
        self.node.exec("nft", "-f", "-", text_in="\n".join(
            ["add table inet story", "add chain inet story arrived { type filter hook prerouting priority -300 ; }", *lines]) + "\n")

    def counted(self, name):
        rows = json.loads(self.node.exec("nft", "-j", "list", "counters", "table", "inet", "story").stdout)["nftables"]
        return next(row["counter"]["packets"] for row in rows if row.get("counter", {}).get("name") == name)

    def flood(self, link="eth0", **options):
        return Flood(self, link, **options)


class Flood:
    """A generator at the client's end of a link. stop() tells how many packets it sent."""

    def __init__(self, lab, link, **options):
        number = {"eth0": 0, "eth1": 1}.get(link, 9)
        settings = {"interface": f"c-{link}", "dst": f"10.77.{number}.2", "src": f"10.77.{number}.1",
                    "src-mac": f"02:77:00:00:{number:02x}:01", "dst-mac": f"02:77:00:00:{number:02x}:02"}
        settings |= {name.replace("_", "-"): value for name, value in options.items()}
        command = [f"{lab.binaries}/nodewall_flood"]
        for name, value in settings.items():
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        with lab.client.entered():
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        out, _ = self._process.communicate(timeout=60)
        if self._process.returncode != 0:
            raise Unexpected(f"the generator ended with {self._process.returncode}")
        return json.loads(out)


class Traffic:
    """A stream of forbidden first packets, and an allowed flow beside it. check() demands that none of the first came in and none of the
    other was lost. `options` are the generator's: where to, for instance."""

    FORBIDDEN = "1000-1999"
    ALLOWED = 5000

    def __init__(self, node, rate, **options):
        self._node = node
        node.count(forbidden=f"tcp dport {self.FORBIDDEN}", allowed=f"udp dport {self.ALLOWED}")
        self._drops = queue_drops()
        self._allowed = node.flood(protocol="udp", sport=7777, dport=self.ALLOWED, rate=1000, **options)
        self._forbidden = node.flood(dport=self.FORBIDDEN, rate=rate, spread=True, **options)
        wait_until(lambda: node.counted("allowed") > 0, "the allowed flow arrives")

    def check(self, at_least=1):
        forbidden, allowed = self._forbidden.stop(), self._allowed.stop()
        # What the kernel's own queue lost was never judged.
        queue = queue_drops() - self._drops
        came_in, arrived = self._node.counted("forbidden"), self._node.counted("allowed")
        print(f"forbidden: {forbidden['sent']} offered in {forbidden['seconds']} s, {came_in} came in;"
              f" allowed: {allowed['sent']} sent, {arrived} arrived; lost by the kernel's queue: {queue}")
        self._node.expect(forbidden["sent"] >= at_least, f"only {forbidden['sent']} packets were offered, not {at_least}")
        self._node.expect(came_in == 0, f"{came_in} forbidden packets came in")
        self._node.expect(allowed["sent"] - arrived <= queue, f"{allowed['sent'] - arrived} packets of the allowed flow were lost")
        return forbidden


def queue_drops():
    """Packets that the kernel's receive queues dropped so far, before any program saw them."""
    with open("/proc/net/softnet_stat") as file:
        return sum(int(line.split()[1], 16) for line in file)


def _wanted(open_specs, closed_specs, refused_specs):
    wanted = dict.fromkeys(open_specs.split(), "open") | dict.fromkeys(closed_specs.split(), "closed")
    return wanted | dict.fromkeys(refused_specs.split(), "refused")


def _differences(wanted, seen):
    return "\n".join(f"{spec}: {seen[spec]}, not {wanted[spec]}" for spec in wanted if seen[spec] != wanted[spec])


# Manifests.

def manifest(kind, name, spec, api="projectcalico.org/v3", **metadata):
    """JSON, which is YAML. With a leading separator: manifests can be added up."""
    return "---\n" + json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": name} | metadata, "spec": spec}) + "\n"


def host_endpoint(interface=None, name=None, labels=None, node=NODE_NAME, **spec):
    spec["node"] = node
    if interface:
        spec["interfaceName"] = interface
    name = name or ("wildcard" if interface == "*" else interface)
    return manifest("HostEndpoint", name, spec, labels=labels if labels is not None else {"role": "node"})


def policy(name, selector="role == 'node'", **spec):
    return manifest("GlobalNetworkPolicy", name, {"selector": selector} | spec)


def allow(protocol=None, *ports, **more):
    return rule("Allow", protocol, *ports, **more)


def deny(protocol=None, *ports, **more):
    return rule("Deny", protocol, *ports, **more)


def rule(action, protocol=None, *ports, **more):
    made = {"action": action} | more
    if protocol:
        made["protocol"] = protocol
    if ports:
        made["destination"] = made.get("destination", {}) | {"ports": list(ports)}
    return made


def felix(**spec):
    return manifest("FelixConfiguration", "default", spec)


def nodewall_configuration(**spec):
    return manifest("NodewallConfiguration", "default", spec, api="nodewall.io/v1")
