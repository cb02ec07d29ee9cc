"""Which host endpoint governs which interface, and what it means without policy."""
import fcntl
import os
import struct

from story import allow, deny, felix, host_endpoint, nodewall_configuration, policy, story, wait_until

DEFAULT_ALLOW = ["projectcalico-default-allow"]


@story("case 1: a named host endpoint and nothing else leaves failsafe ports and forwarded traffic", links="eth0 eth1", pod=True)
def _(node):
    node.start()
    everything = "in:eth0:tcp/22 in:eth0:tcp/80 in:eth0:icmp out:eth0:udp/53 out:eth0:tcp/443 via:eth0:tcp/80"
    node.sees(open=everything)
    node.apply(host_endpoint("eth0"))
    node.sees(open="in:eth0:tcp/22 in:eth0:tcp/6443 out:eth0:udp/53 out:eth0:tcp/2379 via:eth0:tcp/80 in:eth1:tcp/80 out:eth1:tcp/443",
              closed="in:eth0:tcp/80 in:eth0:udp/5000 in:eth0:udp/53 in:eth0:icmp out:eth0:tcp/443 out:eth0:tcp/22 out:eth0:icmp")
    node.delete("hep", "eth0")
    node.sees(open=everything)


@story("case 2: a wildcard and nothing else closes every interface that is not a workload's", links="eth0 eth1 br0", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*"))
    for link in ("eth0", "eth1", "br0"):
        node.sees(open=f"in:{link}:tcp/22 out:{link}:udp/53",
                  closed=f"in:{link}:tcp/80 in:{link}:udp/5000 in:{link}:icmp out:{link}:tcp/443 out:{link}:icmp")
    node.keeps(open="in:cali1234:tcp/80 in:cali1234:icmp out:cali1234:tcp/80 via:eth0:tcp/80 via:eth0:icmp", seconds=0.3)
    node.expect(node.interface("cali1234")["workload"], "cali1234 is not shown as a workload's interface")


@story("T-O2: traffic of the node to its own addresses is closed by no wildcard, only by a host endpoint that names lo", links="eth0 eth1")
def _(node):
    node.start()
    own = "lo:eth0:tcp/80 lo:eth1:udp/5000 lo:eth0:icmp"
    node.apply(host_endpoint("*"))
    node.sees(open=own, closed="in:eth0:tcp/80")
    node.apply(host_endpoint("lo"))
    node.sees(closed=own)
    node.delete("hep", "lo")
    node.sees(open=own, closed="in:eth0:tcp/80")


@story("case 3: a wildcard with projectcalico-default-allow passes everything", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("*"))
    node.sees(closed="in:eth0:tcp/80 out:eth1:tcp/443")
    for profile in ("projectcalico-default-allow", "projectcalico-allow-all"):
        node.apply(host_endpoint("*", profiles=[profile]))
        node.sees(open="in:eth0:tcp/80 in:eth0:udp/5000 in:eth0:icmp out:eth0:tcp/443 out:eth0:icmp in:eth1:tcp/80 out:eth1:tcp/443")
        node.apply(host_endpoint("*"))
        node.sees(closed="in:eth0:tcp/80 out:eth1:tcp/443")


@story("case 4: an ingress policy on an allow-all endpoint closes ingress but for what it allows, and no egress")
def _(node):
    node.start()
    node.apply(host_endpoint("*", profiles=DEFAULT_ALLOW))
    node.apply(policy("web", types=["Ingress"], ingress=[allow("TCP", 80)]))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/22 out:eth0:tcp/443 out:eth0:udp/5000 out:eth0:icmp",
              closed="in:eth0:tcp/443 in:eth0:tcp/8080 in:eth0:udp/5000 in:eth0:icmp")


@story("case 5: a named host endpoint replaces the wildcard on its interface", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("*", profiles=DEFAULT_ALLOW) + host_endpoint("eth0"))
    node.sees(open="in:eth0:tcp/22 in:eth1:tcp/80 out:eth1:tcp/443", closed="in:eth0:tcp/80 out:eth0:tcp/443")


@story("case 6: of two host endpoints on an interface the least name governs, and the other takes over")
def _(node):
    node.start()
    node.apply(policy("open-80", "side == 'a'", ingress=[allow("TCP", 80)]) + policy("open-443", "side == 'b'", ingress=[allow("TCP", 443)]))
    node.apply(host_endpoint("eth0", name="b", labels={"side": "b"}))
    node.sees(open="in:eth0:tcp/443", closed="in:eth0:tcp/80")
    node.apply(host_endpoint("eth0", name="a", labels={"side": "a"}))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443")
    node.delete("hep", "a")
    node.sees(open="in:eth0:tcp/443", closed="in:eth0:tcp/80")


@story("case 7: a host endpoint by address moves with the address", links="eth0 eth1")
def _(node):
    node.start()
    node.node.ip("addr add 10.77.9.2/32 dev eth0")
    node.apply(host_endpoint(name="by-address", expectedIPs=["10.77.9.2"]))
    node.sees(open="in:eth0:tcp/22 in:eth1:tcp/80", closed="in:eth0:tcp/80")
    node.node.ip("addr del 10.77.9.2/32 dev eth0", "addr add 10.77.9.2/32 dev eth1")
    node.sees(open="in:eth1:tcp/22 in:eth0:tcp/80", closed="in:eth1:tcp/80")


@story("case 8: a host endpoint of another node closes nothing here, but rules find its addresses", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("eth1", name="elsewhere", node="node2", labels={"role": "friend"}, expectedIPs=["10.77.0.1", "fd77::1"]))
    node.apply(host_endpoint("eth0") + policy("friends", ingress=[allow("TCP", 80, source={"selector": "role == 'friend'"})]))
    node.sees(open="in:eth0:tcp/80 in:eth1:tcp/80 in:eth1:tcp/443 out:eth1:tcp/443", closed="in:eth0:tcp/443")
    node.delete("hep", "elsewhere")
    node.sees(closed="in:eth0:tcp/80", open="in:eth1:tcp/80")


@story("T-R7 T-U8: policy follows an interface's name: deleted, made again, renamed, moved to another namespace", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("eth1") + host_endpoint("lan0", labels={"role": "lan"}))
    node.sees(closed="in:eth1:tcp/80")
    node.node.ip("link del eth1")
    wait_until(lambda: not node.interface("eth1"), "eth1 is gone from status")
    node.add_link("eth1")
    node.wait_governed("eth1", "eth1")
    node.sees(closed="in:eth1:tcp/80", open="in:eth1:tcp/22", within=2)

    node.apply(policy("lan", "role == 'lan'", ingress=[allow("TCP", 80)]))
    node.node.ip("link set eth1 down", "link set eth1 name lan0", "link set lan0 up")
    node.wait_governed("lan0", "lan0")
    node.sees(open="in:eth1:tcp4/80 in:eth1:tcp4/22", closed="in:eth1:tcp4/443", within=2)
    node.node.ip("link set lan0 down", "link set lan0 name free0", "link set free0 up")
    node.sees(open="in:eth1:tcp4/80 in:eth1:tcp4/443", within=2)

    node.node.ip("link set free0 down", "link set free0 name eth1", f"link set eth1 netns {node.client.name}")
    wait_until(lambda: not node.interface("eth1"), "eth1 has left")
    node.client.ip(f"link set eth1 netns {node.node.name}")
    node.node.ip("addr add 10.77.1.2/24 dev eth1", "link set eth1 up")
    node.wait_governed("eth1", "eth1")
    node.sees(open="in:eth1:tcp4/22", closed="in:eth1:tcp4/80 in:eth1:tcp4/443", within=2)


@story("interfaceExclude and interfacePrefix leave interfaces alone", links="eth0 eth1", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*"))
    node.sees(open="in:cali1234:tcp/80", closed="in:eth0:tcp/80 in:eth1:tcp/80")
    node.apply(felix(interfaceExclude="eth1"))
    node.sees(open="in:cali1234:tcp/80 in:eth1:tcp/80", closed="in:eth0:tcp/80")
    node.apply(felix(interfacePrefix="eth0"))
    node.sees(open="in:eth0:tcp/80", closed="in:cali1234:tcp/80 in:eth1:tcp/80")


@story("T-U2: a host endpoint on a bridge governs what the node receives through it", links="eth0 br0")
def _(node):
    node.start()
    node.apply(host_endpoint("br0"))
    node.sees(open="in:br0:tcp/22 in:eth0:tcp/80", closed="in:br0:tcp/80 in:br0:icmp out:br0:tcp/443")
    node.apply(policy("web", ingress=[allow("TCP", 80)]))
    node.sees(open="in:br0:tcp/80 in:eth0:tcp/443", closed="in:br0:tcp/443")
    node.delete("hep", "br0")
    node.apply(host_endpoint("*"))
    node.sees(open="in:br0:tcp/80 in:br0:tcp/22 in:eth0:tcp/80", closed="in:br0:tcp/443 in:br0:icmp in:eth0:tcp/443")


@story("T-U5: a macvlan has a host endpoint of its own, and the wildcard covers it")
def _(node):
    node.node.ip("link add link eth0 name mac0 address 02:77:00:00:05:02 type macvlan mode bridge")
    node.address(node.node, "mac0", 5, 2, 1, peer_mac="02:77:00:00:00:01")
    node.client.ip("addr add 10.77.5.1/24 dev c-eth0", "addr add fd77:0:0:5::1/64 dev c-eth0 nodad",
                   "neigh replace 10.77.5.2 lladdr 02:77:00:00:05:02 nud permanent dev c-eth0",
                   "neigh replace fd77:0:0:5::2 lladdr 02:77:00:00:05:02 nud permanent dev c-eth0")
    node.start()
    node.sees(open="in:mac0:tcp/80 in:eth0:tcp/80 out:mac0:tcp/443")
    node.apply(host_endpoint("mac0"))
    node.sees(open="in:mac0:tcp/22 in:eth0:tcp/80", closed="in:mac0:tcp/80 in:mac0:icmp out:mac0:tcp/443")
    node.delete("hep", "mac0")
    node.sees(open="in:mac0:tcp/80")
    node.apply(host_endpoint("*") + policy("web", types=["Ingress"], ingress=[allow("TCP", 8080)]))
    node.sees(open="in:mac0:tcp/22 in:mac0:tcp/8080", closed="in:mac0:tcp/80 in:eth0:tcp/80 out:mac0:tcp/443")


class Tun:
    """The far side of a tun device of the node: packets without an Ethernet header."""

    def __init__(self, node):
        with node.node.entered():
            self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self._fd, 0x400454CA, struct.pack("16sH14x", b"tun0", 0x0001 | 0x1000))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
        node.node.ip("addr add 10.77.6.2/24 dev tun0", "link set tun0 up")

    def is_open(self, port, source_port):
        """True when a SYN to the port is answered by a SYN-ACK."""
        addresses = bytes((10, 77, 6, 1, 10, 77, 6, 2))
        tcp = struct.pack("!HHIIBBHHH", source_port, port, 1, 0, 0x50, 2, 65535, 0, 0)
        tcp = tcp[:16] + struct.pack("!H", _checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + addresses
        ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
        os.write(self._fd, ip + tcp)
        try:
            return bool(wait_until(lambda: self._answered(source_port), "an answer", within=0.3))
        except Exception:
            return False

    def _answered(self, source_port):
        try:
            packet = os.read(self._fd, 2048)
        except BlockingIOError:
            return False
        if packet[0] >> 4 != 4 or packet[9] != 6:
            return False
        return struct.unpack("!H", packet[22:24])[0] == source_port and packet[33] == 0x12

    def close(self):
        os.close(self._fd)


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@story("T-U4: a tun device, which has no Ethernet header, is governed as any other")
def _(node):
    tun = Tun(node)
    try:
        node.start()
        node.expect(tun.is_open(80, 40000), "port 80 is closed before anything is applied")
        node.apply(host_endpoint("*") + policy("web", ingress=[allow("TCP", 443)]))
        node.wait_governed("tun0", "wildcard")
        node.expect(not tun.is_open(80, 40001), "port 80 is open although no rule allows it")
        node.expect(tun.is_open(443, 40002), "port 443 is closed although a rule allows it")
        node.expect(tun.is_open(22, 40003), "the failsafe port 22 is closed")
    finally:
        tun.close()


@story("XDP forced by ingressHooks judges as tc does", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("*") + policy("web", ingress=[deny("TCP", 8080), allow("TCP", "80:9000"), allow("UDP", 5000)]))
    judged = {"open": "in:{0}:tcp/22 in:{0}:tcp/80 in:{0}:tcp/443 in:{0}:udp/5000 out:{0}:udp/53",
              "closed": "in:{0}:tcp/8080 in:{0}:tcp/9090 in:{0}:udp/123 in:{0}:icmp out:{0}:tcp/443"}
    judged = {answer: " ".join(specs.format(link) for link in ("eth0", "eth1")) for answer, specs in judged.items()}
    node.sees(**judged)
    node.expect(_ingress_hook(node, "eth0") == "tc-ingress", "a veth is not judged at tc by itself")
    node.apply(nodewall_configuration(ingressHooks=[{"interface": "eth*", "hook": "xdp"}]))
    wait_until(lambda: _ingress_hook(node, "eth0") == "xdp" and _ingress_hook(node, "eth1") == "xdp", "both interfaces are judged at XDP")
    node.sees(**judged)
    node.keeps(**judged, seconds=0.5)
    node.apply(nodewall_configuration(ingressHooks=[{"interface": "eth0", "hook": "tc"}]))
    wait_until(lambda: _ingress_hook(node, "eth0") == "tc-ingress", "eth0 is judged at tc again")
    node.keeps(**judged, seconds=0.5)


def _ingress_hook(node, interface):
    hooks = [hook["hook"] for hook in node.interface(interface).get("hooks", []) if hook["hook"] != "tc-egress"]
    node.expect(len(hooks) <= 1, f"{interface} is judged at {hooks}")
    return hooks[0] if hooks else ""
