"""A node to try things on: network namespaces, a datastore, a daemon.

      client                                  node                         pod
    +---------+   eth0  10.77.0.0/24  +------------------+  10.77.3.0/24  +-----+
    |  c-eth0 |-----------------------| eth0             |                |     |
    |  c-eth1 |---- 10.77.1.0/24 -----| eth1    cali1234 |----------------| p0  |
    |  c-br0  |---- 10.77.2.0/24 --[br0 port]            |                |     |
    +---------+                       +------------------+                +-----+

The node is .2 on every link and fd77:0:0:N::2; the client is .1, the pod 10.77.3.1. Neighbours are static: nothing but what a test
sends is on the wire. Client and pod reach each other through the node by eth0. The pod's interface may have another name than a
workload's: back0 is an interface as any other, docker0 a bridge with the pod's interface as its port.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from namespace import LAB_PREFIX, CommandFailed, Namespace, die_with_parent, run
from probe import OPEN, EchoServers, Target, probe

LINKS = {"eth0": 0, "eth1": 1, "br0": 2, "cali1234": 3, "back0": 3, "docker0": 3, "wlan0": 4, "mac0": 5, "bond0": 6, "eth0.10": 7}
POD = 3
NODE_NAME = "node1"
TCP_PORTS = (22, 80, 443, 2379, 6443, 8080, 9090, 30080)
UDP_PORTS = (53, 123, 5000)
# An emulated machine is slower: every wait is that much longer.
PATIENCE = float(os.environ.get("NODEWALL_PATIENCE", "1"))


class TimedOut(Exception):
    pass


def wait_until(condition, what, within=20.0):
    """Polls: what becomes true at once costs nothing. Returns what the condition returned."""
    deadline = time.monotonic() + within * PATIENCE
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise TimedOut(f"not within {within * PATIENCE:g} s: {what}")
        time.sleep(0.005)


class Daemon:
    """A nodewalld in the node's namespace."""

    def __init__(self, lab, *options, before=()):
        self.log_path = f"{lab.directory}/nodewalld.log"
        # What takes privileges away must not be in the mount namespace that `ip netns exec` makes: its bpffs is found with privileges only.
        enter = ["nsenter", f"--net=/run/netns/{lab.node.name}", *before] if before else ["ip", "netns", "exec", lab.node.name]
        command = [*enter, f"{lab.binaries}/nodewalld", *options]
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=lab.environment, preexec_fn=die_with_parent)

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def end(self, signal_number=signal.SIGTERM):
        """The exit code; negative when a signal ended it."""
        self.process.send_signal(signal_number)
        return self.process.wait(10 * PATIENCE)


class Lab:
    def __init__(self, binaries, links=("eth0",), pod=False):
        self.binaries = os.path.abspath(binaries)
        self.daemon = None
        self._cleanup = contextlib.ExitStack()
        try:
            self._build(links, pod)
        except BaseException:
            self.close()
            raise

    def _build(self, links, pod):
        self.directory = tempfile.mkdtemp(prefix=f"{LAB_PREFIX}{os.getpid()}-")
        self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.manifests = f"{self.directory}/manifests"
        for name, mode in (("manifests", 0o755), ("run", 0o700), ("state", 0o700)):
            os.mkdir(f"{self.directory}/{name}", mode)
        self.environment = os.environ | {
            "NODENAME": NODE_NAME,
            "NODEWALL_DATASTORE": self.manifests,
            "NODEWALL_STATE_DIR": f"{self.directory}/state",
            "NODEWALL_RUN_DIR": f"{self.directory}/run",
        }
        self.node = self._namespace("node")
        self.client = self._namespace("client")
        self.pod = self._namespace("pod") if pod else None
        for link in links:
            self.add_link(link)
        if pod:
            self._connect_pod("cali1234" if pod is True else pod)
        self.servers = EchoServers()
        self._cleanup.callback(self.servers.close)
        for namespace in filter(None, (self.node, self.client, self.pod)):
            self.servers.listen(namespace, TCP_PORTS, UDP_PORTS)

    def _namespace(self, role):
        namespace = Namespace(role)
        self._cleanup.callback(namespace.remove)
        namespace.ip("link set lo up")
        namespace.sysctl(ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0, ipv6__conf__default__accept_dad=0,
                         ipv6__conf__default__accept_ra=0, ipv6__conf__default__router_solicitations=0, ipv4__icmp_ratelimit=0,
                         ipv6__conf__default__addr_gen_mode=1)
        return namespace

    def add_link(self, name):
        """A veth from the client to the node; `br0` makes a bridge of the node with the veth as its port."""
        self._connect(self.client, f"c-{name}", name)

    def _connect(self, peer, peer_interface, name):
        number = LINKS[name]
        is_bridge = name.startswith(("br", "docker"))
        port = f"port{number}" if is_bridge else name
        peer.ip(f"link add {peer_interface} address 02:77:00:00:{number:02x}:01 type veth"
                f" peer name {port} address 02:77:00:00:{number:02x}:02 netns {self.node.name}")
        if is_bridge:
            self.node.ip(f"link add {name} address 02:77:00:00:{number:02x}:02 type bridge mcast_snooping 0",
                         f"link set {port} master {name}", f"link set {port} up")
        self.address(self.node, name, number, 2, 1)
        self.address(peer, peer_interface, number, 1, 2)

    def _connect_pod(self, name):
        self._connect(self.pod, "p0", name)
        self.node.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        self.pod.ip("route add default via 10.77.3.2", "route add ::/0 via fd77:0:0:3::2")
        self.client.ip("route add 10.77.3.0/24 via 10.77.0.2", "route add fd77:0:0:3::/64 via fd77::2")

    def publish(self, port, to, masquerade=False):
        """What comes to this TCP port of the node's addresses goes to a port of the pod, as a NodePort or a container's published port does:
        rules of the node's own, which no program of ours knows."""
        lines = [f"tcp dport {port} fib daddr type local dnat ip to 10.77.{POD}.1:{to}",
                 f"tcp dport {port} fib daddr type local dnat ip6 to [fd77:0:0:{POD}::1]:{to}"]
        behind = ["ct status dnat masquerade"] if masquerade else []
        self.node.exec("nft", "-f", "-", text_in="\n".join(
            ["add table inet published", "delete table inet published", "add table inet published",
             "add chain inet published arriving { type nat hook prerouting priority -100 ; }",
             "add chain inet published leaving { type nat hook postrouting priority 100 ; }",
             *(f"add rule inet published arriving {line}" for line in lines),
             *(f"add rule inet published leaving {line}" for line in behind)]) + "\n")

    @staticmethod
    def address(namespace, interface, number, own, peer, peer_mac=None):
        mac = peer_mac or f"02:77:00:00:{number:02x}:{peer:02x}"
        namespace.ip(f"addr add 10.77.{number}.{own}/24 dev {interface}",
                     f"addr add fd77:0:0:{number:x}::{own}/64 dev {interface} nodad",
                     f"link set {interface} up",
                     f"neigh replace 10.77.{number}.{peer} lladdr {mac} nud permanent dev {interface}",
                     f"neigh replace fd77:0:0:{number:x}::{peer} lladdr {mac} nud permanent dev {interface}")

    def close(self):
        if self.daemon and self.daemon.process.poll() is None:
            self.daemon.end(signal.SIGKILL)
        self._cleanup.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The programs.

    def start(self, *options, before=()):
        """`before`: a command that nodewalld is run by."""
        self.launch(*options, before=before)
        # On a busy machine the verifier alone takes its time.
        wait_until(self._has_started, "nodewalld is ready", within=90)

    def launch(self, *options, before=()):
        """Without waiting for anything."""
        self.daemon = Daemon(self, *options, before=before)

    def _has_started(self):
        if self.daemon.process.poll() is not None:
            raise CommandFailed(f"nodewalld ended with {self.daemon.process.returncode}:\n{self.daemon.log()}")
        state = self.state()
        return state.get("pid") == self.daemon.process.pid and bool(state.get("node") or state.get("datastoreError"))

    def state(self):
        """The daemon's state file; {} when there is none yet."""
        try:
            with open(f"{self.directory}/run/state.json") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def generation(self):
        return self.state().get("generation", 0)

    def nodewall(self, *arguments, text_in=None, check=True):
        return run("ip", "netns", "exec", self.node.name, f"{self.binaries}/nodewall", *arguments, text_in=text_in, check=check,
                   env=self.environment)

    def apply(self, manifest):
        return self.nodewall("apply", "-f", "-", text_in=manifest).stdout

    def delete(self, kind, *names):
        return self.nodewall("delete", kind, *names).stdout

    def status(self):
        return json.loads(self.nodewall("status", "-j").stdout)

    def interface(self, name):
        """What status says of an interface; {} when it does not know it."""
        return next((entry for entry in self.state().get("interfaces", []) if entry["name"] == name), {})

    def wait_governed(self, interface, host_endpoint):
        """Until `host_endpoint` ("": none) governs the interface without a problem."""
        def governed():
            seen = self.interface(interface)
            return bool(seen) and seen["hostEndpoint"] == host_endpoint and not seen["problem"]

        try:
            wait_until(governed, f"{host_endpoint or 'nothing'} governs {interface}")
        except TimedOut as error:
            raise TimedOut(f"{error}; seen: {self.interface(interface)}\n{self.daemon.log() if self.daemon else ''}") from None

    # What is open.

    def targets(self, spec):
        """in:eth0:tcp/80 (client to node), out:eth0:udp/53 (node to client), via:eth0:tcp/80 (client to pod), from:eth0:tcp/80 (pod to client),
        pod:eth0:tcp/80 (pod to the node's address on eth0), lo:eth0:tcp/80 (node to itself); `in` and `out` on the pod's interface are between
        pod and node; tcp4/80 or icmp6 name one family, otherwise both are asked."""
        way, link, service = spec.split(":")
        match = re.fullmatch(r"(tcp|udp|icmp)([46]?)(?:/(\d+))?", service)
        number = POD if way == "via" else LINKS[link]
        peer = self.pod if LINKS[link] == POD or way in ("from", "pod") else self.client
        namespace = self.node if way in ("out", "lo") else peer
        host = 2 if way in ("in", "pod", "lo") else 1
        addresses = {"4": f"10.77.{number}.{host}", "6": f"fd77:0:0:{number:x}::{host}"}
        families = match[2] or "46"
        return [Target(namespace, match[1], addresses[family], int(match[3] or 0)) for family in families]

    def ask(self, specs, timeout=0.3):
        """{spec: "open" | "closed" | "refused" | "open on IPv4, closed on IPv6"}"""
        wanted = {spec: self.targets(spec) for spec in specs}
        answers = probe([target for targets in wanted.values() for target in targets], timeout)
        return {spec: _together([answers[target] for target in targets]) for spec, targets in wanted.items()}

    # Connections that stay.

    def connect(self, way, link, port, family=4):
        target = self.targets(f"{way}:{link}:tcp{family}/{port}")[0]
        return Flow(target)


def _together(answers):
    if len(set(answers)) == 1:
        return answers[0]
    return f"{answers[0]} on IPv4, {answers[1]} on IPv6"


class Flow:
    """An open TCP connection to an echo server."""

    def __init__(self, target):
        self.socket = target.namespace.socket(target.family)
        self.socket.settimeout(2)
        self.socket.connect((target.address, target.port))

    def echo(self, within=2.0):
        """True when bytes go there and back."""
        self.socket.settimeout(within)
        try:
            self.socket.send(b"still here")
            return bool(self.socket.recv(64))
        except OSError:
            return False

    def close(self):
        self.socket.close()


__all__ = ["Lab", "Flow", "TimedOut", "wait_until", "OPEN", "NODE_NAME", "LINKS", "CommandFailed"]
