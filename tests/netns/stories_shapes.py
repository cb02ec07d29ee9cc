"""Shapes of packets: in fragments, merged."""
import json
import socket
import struct
import time

from frames import UDP, Wire, fragment_header, fragments, ipv6, udp
from probe import OPEN, Target, probe
from story import TimedOut, allow, host_endpoint, nodewall_configuration, policy, story, wait_until

SOL_UDP, UDP_SEGMENT = 17, 103
PAIRS = (("10.77.0.1", "10.77.0.2"), ("fd77::1", "fd77::2"))  # client and node on eth0
HOOKS = (("tc", "tc-ingress"), ("xdp", "xdp"))


def _use(node, hook, shown, interface="eth0"):
    node.apply(nodewall_configuration(ingressHooks=[{"interface": interface, "hook": hook}]))
    wait_until(lambda: shown in [entry["hook"] for entry in node.interface(interface).get("hooks", [])], f"{interface} is judged at {hook}")


def counted(node, reason, direction="ingress", interface="eth0"):
    rows = json.loads(node.nodewall("show", "counters", "-j").stdout)["interfaces"]
    found = [row for row in rows if (row["interface"], row["direction"], row["reason"]) == (interface, direction, reason)]
    return (found[0]["packets"], found[0]["bytes"]) if found else (0, 0)


def sees(node, open=(), closed=(), within=20.0):
    """As Story.sees, of (namespace, protocol, address, port) for which Lab.targets has no word."""
    wanted = {Target(*target): OPEN for target in open} | {Target(*target): "closed" for target in closed}
    seen = {}

    def as_told():
        seen.update(probe(list(wanted)))
        return seen == wanted

    try:
        wait_until(as_told, "what is open and closed", within)
    except TimedOut:
        wrong = [f"{target}: {seen[target]}, not {wanted[target]}" for target in wanted if seen[target] != wanted[target]]
        node.expect(False, "\n".join(wrong))


class Inbox:
    """A UDP port without an answer."""

    def __init__(self, namespace, port):
        self._namespace = namespace
        self._socket = namespace.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.bind(("::", port))

    def join(self, group, interface):
        with self._namespace.entered():
            index = socket.if_nametoindex(interface)
        if ":" in group:
            request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        else:
            request = socket.inet_aton(group) + bytes(4) + struct.pack("@i", index)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def has(self, data, within=0.3):
        """Whether exactly this came, thrown away what came before."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if self._socket.recv(65536) == data:
                    return True
            except TimeoutError:
                pass
        return False

    def close(self):
        self._socket.close()


@story("T-F1 T-F2 T-F3 T-F4 T-F10 T-F11: real fragments go the way of their first one, at tc and at XDP, both families")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + policy("dns", types=["Ingress"], ingress=[allow("UDP", 5000, 6000)]))
    node.sees(open="in:eth0:udp/5000", closed="in:eth0:udp/123")
    wire, inbox, number = Wire(node.client, "c-eth0"), Inbox(node.node, 6000), 100
    for hook, shown in HOOKS:
        _use(node, hook, shown)
        for client, host in PAIRS:
            # Sockets on both sides: the kernels cut and join, in both directions.
            node.expect(_echoes(node.client, host, 5000, 4000), f"{hook}: 4,000 bytes to an open port of {host} did not come back")
            node.expect(not _echoes(node.client, host, 123, 4000, within=0.3), f"{hook}: 4,000 bytes to a closed port of {host} came back")
            number += 10
            _fragments_by_hand(node, wire, inbox, hook, (client, host), number)
    inbox.close()
    wire.close()


def _fragments_by_hand(node, wire, inbox, hook, pair, number):
    def pieces(port, data, identifier):
        return fragments(*pair, UDP, udp(*pair, 4000, port, data), identifier)

    data = bytes(range(250)) * 10
    wire.send(0, *pieces(6000, data, number))
    node.expect(inbox.has(data), f"{hook}: fragments in order did not arrive at {pair[1]}")
    wire.send(0, *reversed(pieces(6000, data, number + 1)))
    node.expect(not inbox.has(data), f"{hook}: later fragments before the first one got in to {pair[1]}")
    # The first fragment of a closed port takes away what the one of the open port permitted.
    good, bad = pieces(6000, data, number + 2), pieces(123, data, number + 2)
    before = counted(node, "frag_no_first")[0]
    wire.send(0, good[0], bad[0], *good[1:])
    node.expect(not inbox.has(data), f"{hook}: the permission of another packet with the same id was used, to {pair[1]}")
    node.expect(counted(node, "frag_no_first")[0] - before == len(good) - 1, f"{hook}: later fragments were not counted as such")


def _echoes(namespace, address, port, size, within=2.0):
    """Whether a datagram of that size comes back."""
    with namespace.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(within)
        sender.connect((address, port))
        sender.send(b"x" * size)
        try:
            return len(sender.recv(65536)) == size
        except OSError:
            return False


@story("T-F9: 100,000 fragments of as many ids push out no established flow", measured=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + policy("web", ingress=[allow("TCP", 80), allow("UDP", 5000)]))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443")
    flows = [node.connect("in", "eth0", 80, family) for family in (4, 6)]
    node.expect(all(flow.echo() for flow in flows), "the flows carry nothing")
    wire, data = Wire(node.client, "c-eth0"), b"y" * 16
    first = udp(*PAIRS[1], 4000, 5000, data)
    before, started, lost = counted(node, "policy")[0], time.monotonic(), 0
    for identifier in range(100_000):
        wire.send(0, ipv6(*PAIRS[1], 44, fragment_header(UDP, identifier, 0, True) + first))
        if identifier % 5000 == 0:
            lost += sum(not flow.echo() for flow in flows)
    took = time.monotonic() - started
    judged = counted(node, "policy")[0] + counted(node, "established")[0] - before
    print(f"  100,000 first fragments, {judged:,} packets allowed in {took:.1f} s, {lost} of 40 echoes of the established flows lost")
    node.expect(lost == 0, "an established flow lost packets")
    node.expect(judged >= 90_000, "too few of them came as far as the programs")
    # The newest is remembered, the oldest is not.
    rest = [ipv6(*PAIRS[1], 44, fragment_header(UDP, identifier, 24, False) + data) for identifier in (99_999, 0)]
    before = counted(node, "frag_no_first")[0]
    wire.send(0, *rest)
    wait_until(lambda: counted(node, "frag_no_first")[0] > before, "the oldest is forgotten", within=5)
    node.expect(counted(node, "frag_no_first")[0] == before + 1, "the newest first fragment was forgotten too")
    node.expect(all(flow.echo() for flow in flows), "an established flow was pushed out")
    wire.close()


@story("T-G1 T-G2: what the kernel sends and receives merged has one verdict and is counted in segments, TCP and UDP")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + policy("bulk", types=["Ingress", "Egress"], ingress=[allow("TCP", 80, 6000), allow("UDP", 6000)]))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443 out:eth0:tcp/443")
    size, segment = 8 << 20, 1448
    client, host = _connected(node, 6000)
    for way, sender, receiver in (("ingress", client, host), ("egress", host, client)):
        before = counted(node, "established", way)
        _pump(sender, receiver, size)
        packets, octets = (now - then for now, then in zip(counted(node, "established", way), before))
        print(f"  {way}: {packets:,} packets of {octets:,} bytes for {size // segment:,} segments")
        node.expect(size // segment <= packets <= size // segment * 2, f"{way}: {packets} packets counted for {size // segment} segments")
        node.expect(octets >= size, f"{way}: {octets} bytes counted")
    for end in (client, host):
        end.close()
    inbox = Inbox(node.node, 6000)
    for port, reason in ((6000, "policy"), (123, "tier_default")):
        for address in ("10.77.0.2", "fd77::2"):
            before = counted(node, reason)[0]
            with node.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
                data = bytes((port & 255, len(address)))
                sender.sendto(data * 20_000, (address, port))
            node.expect(inbox.has(data * 500) == (port == 6000), f"UDP segments to port {port} of {address}: the wrong verdict")
            # The client's kernel still repeats the probes of what is closed.
            packets = counted(node, reason)[0] - before
            node.expect(40 <= packets < 160, f"{packets} packets counted for 40 UDP segments to {port}")
    inbox.close()


def _connected(node, port):
    """Both ends of a connection of the client to the node."""
    with node.node.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("10.77.0.2", port))
        server.listen(1)
        client = node.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(10)
        client.connect(("10.77.0.2", port))
        server.settimeout(10)
        return client, server.accept()[0]


def _pump(sender, receiver, size):
    sender.setblocking(False)
    receiver.setblocking(False)
    sent = received = 0
    deadline = time.monotonic() + 60
    while received < size and time.monotonic() < deadline:
        try:
            sent += sender.send(b"z" * min(1 << 18, size - sent)) if sent < size else 0
        except BlockingIOError:
            pass
        try:
            received += len(receiver.recv(1 << 20))
        except BlockingIOError:
            pass
    if received < size:
        raise TimedOut(f"{received} of {size} bytes came through")
