"""Ways that packets take into a node and out of it: bridges, tunnels, macvlan, redirection, other interfaces' addresses."""
import socket

from frames import ICMPV6, UDP, Wire, icmpv6, ipv4, ipv6, udp
from story import allow, deny, host_endpoint, nodewall_configuration, policy, story, wait_until
from stories_shapes import PAIRS, Inbox, counted, sees


def _join_bridge(node):
    """The pod has a second interface, a port of the node's bridge br0: it and the client are neighbours through the node."""
    node.pod.ip("link add p-br address 02:77:00:00:02:03 type veth"
                f" peer name port9 address 02:77:00:00:02:09 netns {node.node.name}",
                "addr add 10.77.2.3/24 dev p-br", "addr add fd77:0:0:2::3/64 dev p-br nodad", "link set p-br up")
    node.node.ip("link set port9 master br0", "link set port9 up")


def _to_bridged(node, port):
    return [(node.client, "tcp", "10.77.2.3", port), (node.client, "tcp", "fd77:0:0:2::3", port)]


@story("T-U2: what a bridge forwards between its ports passes host endpoints on a port and on the bridge, what it takes in does not",
       links="eth0 br0", pod=True)
def _(node):
    _join_bridge(node)
    node.start()
    sees(node, open=_to_bridged(node, 8080))
    # On a port: the frames that the bridge forwards are seen there, and are forwarded traffic.
    node.apply(host_endpoint("port2"))
    node.sees(open="in:br0:tcp/22", closed="in:br0:tcp/8080 in:br0:icmp out:br0:tcp/443")
    forwarded = counted(node, "forwarded", interface="port2")[0]
    sees(node, open=_to_bridged(node, 8080))
    node.expect(counted(node, "forwarded", interface="port2")[0] > forwarded, "frames between ports are not seen on the port")
    # On the bridge: only what the node itself takes in and sends.
    node.delete("hep", "port2")
    node.apply(host_endpoint("br0"))
    node.sees(open="in:br0:tcp/22", closed="in:br0:tcp/8080 in:br0:icmp out:br0:tcp/443")
    forwarded = counted(node, "forwarded", interface="br0")[0]
    sees(node, open=_to_bridged(node, 8080))
    node.expect(counted(node, "forwarded", interface="br0")[0] == forwarded, "frames between ports are seen on the bridge")
    # The wildcard is on both: a packet to the node needs to be allowed once, by one policy, and passes twice.
    node.delete("hep", "br0")
    node.apply(host_endpoint("*") + policy("web", types=["Ingress"], ingress=[allow("TCP", 80)]))
    node.sees(open="in:br0:tcp/80 in:br0:tcp/22", closed="in:br0:tcp/8080 in:br0:icmp out:br0:tcp/443")
    sees(node, open=_to_bridged(node, 8080))


@story("T-U2: broadcast between the ports of a bridge is judged as traffic to the node where a port is governed", links="eth0 br0", pod=True)
def _(node):
    _join_bridge(node)
    node.start()
    inbox = Inbox(node.pod, 7000)
    sender = node.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def arrives(data):
        sender.sendto(data, ("10.77.2.255", 7000))
        return inbox.has(data)

    node.expect(arrives(b"nothing governs"), "broadcast does not cross the bridge")
    node.apply(host_endpoint("br0"))
    node.sees(closed="in:br0:tcp/8080")
    node.expect(arrives(b"the bridge is governed"), "a host endpoint on the bridge keeps broadcast from its ports")
    node.apply(host_endpoint("port2"))
    node.wait_governed("port2", "port2")
    wait_until(lambda: not arrives(b"the port is governed"), "the port is closed to broadcast", within=5)
    node.apply(policy("broadcast", ingress=[allow("UDP", 7000)]))
    wait_until(lambda: arrives(b"policy allows it"), "policy opens the port to broadcast", within=5)
    sender.close()
    inbox.close()


def _tunnel(node):
    """A vxlan between node and client over eth0."""
    for namespace, own, peer, interface in ((node.node, 2, 1, "eth0"), (node.client, 1, 2, "c-eth0")):
        namespace.ip(f"link add vx0 address 02:77:00:00:07:0{own} type vxlan id 7 remote 10.77.0.{peer} local 10.77.0.{own} dstport 4789 dev {interface}")
        node.address(namespace, "vx0", 7, own, peer)


def _inner(node, *ports):
    return [(node.client, "tcp", address, port) for address in ("10.77.7.2", "fd77:0:0:7::2") for port in ports]


@story("T-U3: a vxlan is judged twice: the outer packets on the wire's interface, the inner ones on the tunnel's")
def _(node):
    _tunnel(node)
    node.start()
    sees(node, open=_inner(node, 80, 443))
    outer = {"types": ["Ingress", "Egress"], "ingress": [allow("UDP", 4789)], "egress": [allow("UDP", 4789)]}
    # Outer allowed, nothing on the tunnel: all of the inside is open.
    node.apply(policy("outer", "on == 'wire'", **outer) + host_endpoint("eth0", labels={"on": "wire"}))
    node.sees(closed="in:eth0:tcp/80")
    sees(node, open=_inner(node, 80, 443))
    # Inner denied: closed although the outer packet is allowed.
    node.apply(policy("inner", "on == 'tunnel'", ingress=[allow("TCP", 80)]) + host_endpoint("vx0", labels={"on": "tunnel"}))
    node.wait_governed("vx0", "vx0")
    sees(node, open=_inner(node, 80, 22), closed=_inner(node, 443))
    # Outer denied: closed although the inner one is allowed.
    node.delete("gnp", "outer")
    sees(node, closed=_inner(node, 80, 22, 443))
    # A wildcard alone is on both.
    node.delete("hep", "eth0", "vx0")
    node.apply(host_endpoint("*", labels={"on": "wire"}))
    sees(node, closed=_inner(node, 22, 80))
    node.apply(policy("outer", "on == 'wire'", **outer))
    sees(node, open=_inner(node, 22), closed=_inner(node, 80))
    # UDP to another port is no tunnel and is judged as it is.
    node.sees(closed="in:eth0:udp/5000")


def receives_past_its_parent(node, pod):
    """A child of eth0 in the pod has 10.77.0.5 and fd77::5."""
    node.servers.listen(pod, (80,), ())
    into = [(node.client, "tcp", address, 80) for address in ("10.77.0.5", "fd77::5")]
    out = [(pod, "tcp", address, 80) for address in ("10.77.0.1", "fd77::1")]
    sees(node, open=into + out)
    node.apply(host_endpoint("*"))
    node.sees(closed="in:eth0:tcp/80 out:eth0:tcp/443")
    # Its answers leave by the parent as packets that the node began, which this host endpoint does not allow.
    sees(node, closed=into + out)
    # Where egress is open, nothing of the node's ingress policy is asked about what it receives.
    node.apply(policy("out", types=["Ingress", "Egress"], egress=[allow()]))
    node.sees(closed="in:eth0:tcp/80", open="out:eth0:tcp/443")
    sees(node, open=into + out)
    node.delete("gnp", "out")
    node.delete("hep", "wildcard")
    node.sees(open="in:eth0:tcp/80")


@story("T-U5: a macvlan in another namespace receives past its parent's host endpoint, and sends as the node does")
def _(node):
    node.start()
    for mode in ("bridge", "private", "vepa"):
        pod = node._namespace("macvlan-" + mode)
        node.node.ip(f"link add link eth0 name mv0 address 02:77:00:00:05:02 netns {pod.name} type macvlan mode {mode}")
        pod.ip("addr add 10.77.0.5/24 dev mv0", "addr add fd77::5/64 dev mv0 nodad", "link set mv0 up")
        node.client.ip("neigh flush dev c-eth0 to 10.77.0.5", "neigh flush dev c-eth0 to fd77::5")
        receives_past_its_parent(node, pod)
        pod.ip("link del mv0")


@story("T-U7: a mirror and a redirection to an ifb show and open nothing that the host endpoint closes")
def _(node):
    node.node.ip("link add ifb0 type ifb", "link set ifb0 up")
    node.node.exec("tc", "qdisc", "add", "dev", "eth0", "clsact")
    node.start()
    node.apply(host_endpoint("eth0") + policy("web", ingress=[allow("TCP", 80)]))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443 in:eth0:icmp")
    for action in ("mirror", "redirect"):
        node.node.exec("tc", "filter", "replace", "dev", "eth0", "ingress", "prio", "7", "protocol", "all", "handle", "1", "bpf", "bytecode",
                       "1,6 0 0 4294967295,", "action", "mirred", "egress", action, "dev", "ifb0")
        node.keeps(open="in:eth0:tcp/80 in:eth0:tcp/22", closed="in:eth0:tcp/443 in:eth0:icmp", seconds=0.5)


@story("T-O1 T-C10: by whichever interface a packet comes in, that one's host endpoint judges it, and answers may take another", links="eth0 eth1")
def _(node):
    # The client reaches the address of eth1 by eth0.
    node.client.ip("route add 10.77.1.2/32 via 10.77.0.2", "route add fd77:0:0:1::2/128 via fd77::2")
    crossing = [(node.client, "tcp", address, port) for address in ("10.77.1.2", "fd77:0:0:1::2") for port in (80,)]
    node.start()
    sees(node, open=crossing)
    node.apply(host_endpoint("eth1"))
    node.wait_governed("eth1", "eth1")
    # eth1 is governed and not asked; what the node answers leaves by eth0.
    sees(node, open=crossing)
    node.apply(host_endpoint("eth0"))
    sees(node, closed=crossing)
    node.delete("hep", "eth0", "eth1")
    node.apply(host_endpoint("*") + policy("web", types=["Ingress", "Egress"], ingress=[allow("TCP", 443)], egress=[allow("TCP", 8080)]))
    sees(node, closed=crossing, open=[(node.client, "tcp", "10.77.1.2", 443), (node.client, "tcp", "fd77:0:0:1::2", 443)])
    # The node asks by eth1 with the address of eth0: the answer comes in by eth0, and is one.
    sees(node, open=[(node.node, "tcp", "10.77.1.1", 8080, "10.77.0.2"), (node.node, "tcp", "fd77:0:0:1::1", 8080, "fd77::2")],
         closed=[(node.node, "tcp", "10.77.1.1", 443, "10.77.0.2")])


@story("T-I8 T-V7 T-M3: neighbours and routers are found on a closed interface, from on the link only")
def _(node):
    node.node.sysctl(ipv6__conf__eth0__accept_ra=2)
    node.start()
    node.apply(host_endpoint("*"))
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80")
    for namespace, interface in ((node.node, "eth0"), (node.client, "c-eth0")):
        namespace.ip(f"neigh flush dev {interface}", f"neigh del 10.77.0.{1 if interface == 'eth0' else 2} dev {interface}",
                     f"neigh del fd77::{1 if interface == 'eth0' else 2} dev {interface}")
    node.sees(open="in:eth0:tcp/22 out:eth0:udp/53", closed="in:eth0:tcp/80")
    wire = Wire(node.client, "c-eth0")

    def advertise(source, prefix, hop_limit=255):
        # Lifetime of the router 1,800 s; a prefix on the link with addresses of its own.
        option = bytes((3, 4, 64, 0xC0)) + (86400).to_bytes(4, "big") * 2 + bytes(4) + socket.inet_pton(socket.AF_INET6, prefix)
        body = bytes((64, 0)) + (1800).to_bytes(2, "big") + bytes(8) + option
        wire.send(0, ipv6(source, "ff02::1", ICMPV6, icmpv6(source, "ff02::1", 134, body), hop_limit))

    def believes(prefix):
        return prefix in node.node.exec("ip", "-6", "route", "show", "dev", "eth0").stdout

    refused = counted(node, "neighbour_malformed")[0]
    advertise("fe80::9", "fd99:2::", hop_limit=64)
    wait_until(lambda: counted(node, "neighbour_malformed")[0] == refused + 1, "it is counted as malformed", within=5)
    advertise("fe80::9", "fd99:3::")
    wait_until(lambda: believes("fd99:3::"), "a good advertisement is believed", within=5)
    node.expect(not believes("fd99:2::"), "an advertisement that was refused is believed")
    wire.close()


@story("T-M1 T-M2: multicast and broadcast to the node are open where policy allows them, and IGMP by its protocol")
def _(node):
    node.start()
    node.apply(host_endpoint("*") + policy("some", ingress=[allow("UDP", 7000), allow(2)]))
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80")
    wire, inboxes = Wire(node.client, "c-eth0"), {port: Inbox(node.node, port) for port in (7000, 7001)}
    for port, inbox in inboxes.items():
        inbox.join("239.7.7.7", "eth0")
        inbox.join("ff02::777", "eth0")
        for source, group in (("10.77.0.1", "239.7.7.7"), ("10.77.0.1", "10.77.0.255"), ("10.77.0.1", "255.255.255.255"), ("fd77::1", "ff02::777")):
            data = f"{group} {port}".encode()
            body = udp(source, group, 4000, port, data)
            packet = ipv6(source, group, UDP, body) if ":" in group else ipv4(source, group, UDP, body, ttl=1)
            wire.send_to(_group_mac(group), packet)
            node.expect(inbox.has(data) == (port == 7000), f"UDP {port} to {group}: the wrong verdict")
        inbox.close()
    node.count(reports="ip protocol igmp")
    report = ipv4("10.77.0.1", "224.0.0.22", 2, b"\x22\0\xdd\xfd\0\0\0\0", ttl=1)
    wire.send_to(_group_mac("224.0.0.22"), report)
    wait_until(lambda: node.counted("reports") == 1, "IGMP came in", within=5)
    node.apply(policy("some", ingress=[deny(2), allow("UDP", 7000)]))
    before = counted(node, "policy")[0]
    wait_until(lambda: wire.send_to(_group_mac("224.0.0.22"), report) or counted(node, "policy")[0] > before, "IGMP is denied", within=5)
    arrived = node.counted("reports")
    wire.send_to(_group_mac("224.0.0.22"), report)
    node.expect(node.counted("reports") == arrived, "denied IGMP came in")
    wire.close()


def _group_mac(group):
    if ":" in group:
        return b"\x33\x33" + socket.inet_pton(socket.AF_INET6, group)[12:]
    packed = socket.inet_aton(group)
    return b"\xff" * 6 if packed[3] == 255 else bytes((1, 0, 0x5E, packed[1] & 0x7F)) + packed[2:]


@story("T-M4 T-S1: addresses that cannot be on the wire open nothing, though everything is allowed")
def _(node):
    node.start()
    node.apply(host_endpoint("*", profiles=["projectcalico-default-allow"]))
    node.wait_governed("eth0", "wildcard")
    wire, inbox = Wire(node.client, "c-eth0"), Inbox(node.node, 6000)

    def arrives(source, host):
        data = f"from {source}".encode()
        body = udp(source, host, 4000, 6000, data)
        wire.send(0, ipv6(source, host, UDP, body) if ":" in source else ipv4(source, host, UDP, body))
        return inbox.has(data)

    for hook, shown in (("tc", "tc-ingress"), ("xdp", "xdp")):
        node.apply(nodewall_configuration(ingressHooks=[{"interface": "eth0", "hook": hook}]))
        wait_until(lambda: shown in [entry["hook"] for entry in node.interface("eth0").get("hooks", [])], f"eth0 is judged at {hook}")
        for client, host in PAIRS:
            node.expect(arrives(client, host), f"{hook}: what {client} sends does not arrive")
        martians = counted(node, "martian")[0]
        impossible = [("127.0.0.1", "10.77.0.2"), ("224.0.0.5", "10.77.0.2"), ("255.255.255.255", "10.77.0.2"), ("0.1.2.3", "10.77.0.2"),
                      ("10.77.0.255", "10.77.0.2"), ("10.77.0.2", "10.77.0.2"), ("::1", "fd77::2"), ("ff02::1", "fd77::2"), ("fd77::2", "fd77::2")]
        for source, host in impossible:
            node.expect(not arrives(source, host), f"{hook}: a packet with the source {source} came in")
        seen = counted(node, "martian")[0] - martians
        node.expect(seen == len(impossible), f"{hook}: {seen} of {len(impossible)} were counted as martian")
    inbox.close()
    wire.close()
