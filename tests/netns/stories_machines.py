"""What only a machine of its own can show: devices that the running kernel may lack, and switches of the whole machine."""
from story import allow, deny, host_endpoint, nodewall_configuration, policy, story, wait_until
from stories_kernels import JUDGED, LINKS, web
from stories_shapes import sees
from stories_topology import receives_past_its_parent

JIT_HARDEN = "/proc/sys/net/core/bpf_jit_harden"
LOCKDOWN = "/sys/kernel/security/lockdown"


def _bond(node):
    """bond0 of two veths, whose other ends are ports of a bridge of the client's: one address, two wires."""
    node.client.ip("link add c-bond0 address 02:77:00:00:06:01 type bridge mcast_snooping 0")
    node.node.ip("link add bond0 address 02:77:00:00:06:02 type bond mode active-backup miimon 50")
    for port in ("s0", "s1"):
        node.client.ip(f"link add c-{port} type veth peer name {port} netns {node.node.name}", f"link set c-{port} master c-bond0",
                       f"link set c-{port} up")
        node.node.ip(f"link set {port} master bond0", f"link set {port} up")
    node.address(node.node, "bond0", 6, 2, 1)
    node.address(node.client, "c-bond0", 6, 1, 2)


def _fail_over(node, to):
    """The other port goes down, and the bond takes this one."""
    other = {"s0": "s1", "s1": "s0"}[to]
    node.node.ip(f"link set {to} up", f"link set {other} down")
    wait_until(lambda: f"active_slave {to}" in node.node.exec("ip", "-d", "link", "show", "bond0").stdout, f"bond0 uses {to}")


@story("T-U1: policy on a bond survives a failover of its ports, at tc and where XDP is asked for", machine=True)
def _(node):
    _bond(node)
    node.start()
    flow = node.connect("in", "bond0", 80)
    node.apply(host_endpoint("bond0") + web())
    judged = {"open": "in:bond0:tcp/22 in:bond0:tcp/80 out:bond0:tcp/443", "closed": "in:bond0:tcp/8080 in:bond0:udp/123 out:bond0:tcp/80"}
    for hook in ("tc", "xdp"):
        node.apply(nodewall_configuration(ingressHooks=[{"interface": "*", "hook": hook}]))
        wait_until(lambda: any(entry["hook"].startswith(hook) for entry in node.interface("bond0")["hooks"]), f"bond0 is judged at {hook}")
        for port in ("s0", "s1", "s0"):
            _fail_over(node, port)
            node.sees(**judged)
            node.keeps(**judged, seconds=0.5)
            node.expect(flow.echo(), f"at {hook} the connection was cut when {port} took over")
    node.expect(not node.interface("s0").get("hostEndpoint") and not node.interface("s1").get("hostEndpoint"), "a port is governed")
    # The wildcard is on the ports too: each packet is judged twice, and passes by the same policy.
    node.delete("hep", "bond0")
    node.apply(host_endpoint("*"))
    for hook in ("xdp", "tc"):
        node.apply(nodewall_configuration(ingressHooks=[{"interface": "*", "hook": hook}]))
        for port in ("s1", "s0"):
            _fail_over(node, port)
            node.wait_governed("bond0", "wildcard")
            node.sees(**judged)
            node.expect(flow.echo(), f"at {hook}, under the wildcard, the connection was cut when {port} took over")
    node.nodewall("verify")


# What `ip link add` says, the outer packets as a rule has them, and the families that go through.
TUNNELS = {
    "ipip": ("ipip local 10.77.0.{own} remote 10.77.0.{peer}", {"protocol": 4}, "4"),
    "sit": ("sit local 10.77.0.{own} remote 10.77.0.{peer}", {"protocol": 41}, "6"),
    "gre": ("gre local 10.77.0.{own} remote 10.77.0.{peer}", {"protocol": 47}, "46"),
    "gretap": ("gretap local 10.77.0.{own} remote 10.77.0.{peer}", {"protocol": 47}, "46"),
    "geneve": ("geneve id 7 remote 10.77.0.{peer}", {"protocol": "UDP", "destination": {"ports": [6081]}}, "46"),
    "ip6tnl": ("ip6tnl mode ip6ip6 local fd77::{own} remote fd77::{peer}", {"protocol": 41}, "6"),
}


def _add_tunnel(node, kind):
    for namespace, own, peer in ((node.node, 2, 1), (node.client, 1, 2)):
        namespace.ip(f"link add tn0 type {kind.format(own=own, peer=peer)}", f"addr add 10.77.9.{own}/24 dev tn0",
                     f"addr add fd77:0:0:9::{own}/64 dev tn0 nodad", "link set tn0 up")


@story("T-U3: what comes out of a tunnel, with or without an Ethernet header, is judged on the tunnel's interface", machine=True)
def _(node):
    node.start()
    for name, (kind, outer, families) in TUNNELS.items():
        _add_tunnel(node, kind)
        addresses = {"4": "10.77.9.2", "6": "fd77:0:0:9::2"}

        def inner(*ports):
            return [(node.client, "tcp", addresses[family], port) for family in families for port in ports]

        sees(node, open=inner(80, 443))
        # Outer allowed, nothing on the tunnel: all of the inside is open.
        rules = {"types": ["Ingress", "Egress"], "ingress": [allow() | outer], "egress": [allow() | outer]}
        node.apply(policy("outer", "on == 'wire'", **rules) + host_endpoint("eth0", labels={"on": "wire"}))
        node.sees(closed="in:eth0:tcp/80")
        sees(node, open=inner(80, 443))
        node.apply(policy("inner", "on == 'tunnel'", ingress=[allow("TCP", 80)]) + host_endpoint("tn0", labels={"on": "tunnel"}))
        node.wait_governed("tn0", "tn0")
        sees(node, open=inner(80, 22), closed=inner(443))
        # Outer denied: closed although the inner packet is allowed.
        node.delete("gnp", "outer")
        sees(node, closed=inner(80, 22, 443))
        node.delete("gnp", "inner")
        node.delete("hep", "eth0", "tn0")
        node.node.ip("link del tn0")
        node.client.ip("link del tn0")
        print(f"{name}: judged inside and outside")


@story("T-U5: an ipvlan in another namespace receives past its parent's host endpoint, and sends as the node does", machine=True)
def _(node):
    node.start()
    node.client.ip("neigh replace 10.77.0.5 lladdr 02:77:00:00:00:02 nud permanent dev c-eth0",
                   "neigh replace fd77::5 lladdr 02:77:00:00:00:02 nud permanent dev c-eth0")
    for mode in ("l2", "l3", "l3s"):
        pod = node._namespace("ipvlan-" + mode)
        node.node.ip(f"link add link eth0 name iv0 netns {pod.name} type ipvlan mode {mode}")
        node.address(pod, "iv0", 0, 5, 1)
        receives_past_its_parent(node, pod)
        pod.ip("link del iv0")


ESP = {"protocol": 50}
KEYS = f"auth hmac(sha256) 0x{'11' * 32} enc cbc(aes) 0x{'22' * 16}"


def _ipsec(node, mode, client, own):
    """ESP between client and node over eth0, for what these two addresses say to each other."""
    outer = {client: "10.77.0.1", own: "10.77.0.2"}
    for namespace, here in ((node.client, client), (node.node, own)):
        namespace.ip("xfrm state flush", "xfrm policy flush")
        for number, (source, destination) in enumerate(((client, own), (own, client)), 1):
            ends = f"src {outer[source]} dst {outer[destination]} proto esp"
            namespace.ip(f"xfrm state add {ends} spi {number} reqid 1 mode {mode} {KEYS}",
                         f"xfrm policy add src {source}/32 dst {destination}/32 dir {'out' if source == here else 'in'}"
                         f" tmpl {ends} reqid 1 mode {mode}")


@story("T-U3: what IPsec carries is judged where a tunnel ends, and in transport mode it is not", machine=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + policy("web", types=["Ingress", "Egress"], ingress=[allow("TCP", 80)], egress=[allow("TCP", 443)]))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443")
    # Between hosts: the packets have ESP on them as long as anybody else sees them.
    _ipsec(node, "transport", "10.77.0.1", "10.77.0.2")
    node.sees(closed="in:eth0:tcp4/80 in:eth0:tcp4/443")
    node.apply(policy("esp", types=["Ingress", "Egress"], ingress=[allow() | ESP], egress=[allow() | ESP]))
    node.sees(open="in:eth0:tcp4/80 in:eth0:tcp4/443")
    # A tunnel: what comes out of it comes in by the same interface once more.
    node.node.ip("addr add 10.77.9.2/32 dev lo")
    node.client.ip("addr add 10.77.9.1/32 dev lo", "route add 10.77.9.2/32 via 10.77.0.2 src 10.77.9.1")
    node.node.ip("route add 10.77.9.1/32 via 10.77.0.1 src 10.77.9.2")
    _ipsec(node, "tunnel", "10.77.9.1", "10.77.9.2")
    sees(node, open=[(node.client, "tcp", "10.77.9.2", 80)], closed=[(node.client, "tcp", "10.77.9.2", 443)])
    node.delete("gnp", "esp")
    sees(node, closed=[(node.client, "tcp", "10.77.9.2", port) for port in (80, 443)])


def _not_enforced(node):
    return [it["object"] for it in node.status()["conditions"] if it["type"] == "NotEnforced"]


@story("T-U5: macvlan and ipvlan interfaces of the node have host endpoints of their own, and one in l3s mode says that it judges nothing", machine=True)
def _(node):
    node.client.ip("route add 10.77.9.0/24 dev c-eth0 src 10.77.0.1")
    node.start()
    node.apply(policy("web", "role == 'child'", types=["Ingress", "Egress"], ingress=[allow("TCP", 80)], egress=[allow()]))
    for kind, mac in (("macvlan mode bridge", "02:77:00:00:09:05"), ("ipvlan mode l2", None), ("ipvlan mode l3", None), ("ipvlan mode l3s", None)):
        node.node.ip(f"link add link eth0 name child0 {f'address {mac}' if mac else ''} type {kind}", "addr add 10.77.9.5/24 dev child0",
                     "link set child0 up")
        node.client.ip(f"neigh replace 10.77.9.5 lladdr {mac or '02:77:00:00:00:02'} nud permanent dev c-eth0")
        web, other = ([(node.client, "tcp", "10.77.9.5", port)] for port in (80, 443))
        sees(node, open=web + other)
        node.apply(host_endpoint("child0", labels={"role": "child"}))
        node.wait_governed("child0", "child0")
        if kind == "ipvlan mode l3s":
            sees(node, open=web + other)
            node.expect(_not_enforced(node) == ["HostEndpoint(child0)"], f"that nothing is judged is not said: {node.status()['conditions']}")
        else:
            sees(node, open=web, closed=other)
            node.expect(not _not_enforced(node), f"{kind} has a condition NotEnforced")
        node.delete("hep", "child0")
        node.node.ip("link del child0")


@story("a VRF is governed at the interfaces in it, and a host endpoint of its own says that it judges nothing that comes in", machine=True)
def _(node):
    node.node.ip("link add vrf0 type vrf table 10", "link set vrf0 up", "addr flush dev eth0", "link set eth0 master vrf0")
    node.address(node.node, "eth0", 0, 2, 1)
    node.node.sysctl(ipv4__tcp_l3mdev_accept=1, ipv4__udp_l3mdev_accept=1)
    node.start()
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/8080")
    web_only = policy("web", types=["Ingress", "Egress"], ingress=[allow("TCP", 80)], egress=[allow()])
    node.apply(web_only + host_endpoint("vrf0"))
    node.wait_governed("vrf0", "vrf0")
    node.keeps(open="in:eth0:tcp/8080", seconds=0.5)
    node.expect(_not_enforced(node) == ["HostEndpoint(vrf0)"], f"that nothing is judged is not said: {node.status()['conditions']}")
    node.apply(host_endpoint("eth0"))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/22", closed="in:eth0:tcp/8080 in:eth0:icmp")
    node.delete("hep", "eth0", "vrf0")
    node.sees(open="in:eth0:tcp/8080")
    node.apply(host_endpoint("*"))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/22", closed="in:eth0:tcp/8080 in:eth0:icmp")
    node.expect(not _not_enforced(node), "a wildcard has a condition NotEnforced")


@story("T-U6: a VLAN interface has a host endpoint of its own, and is judged on its parent as well", machine=True)
def _(node):
    node.node.ip("link add link eth0 name eth0.10 type vlan id 10")
    node.client.ip("link add link c-eth0 name c-eth0.10 type vlan id 10")
    node.address(node.node, "eth0.10", 7, 2, 1, peer_mac="02:77:00:00:00:01")
    node.address(node.client, "c-eth0.10", 7, 1, 2, peer_mac="02:77:00:00:00:02")
    node.start()
    node.sees(open="in:eth0:tcp/8080 in:eth0.10:tcp/8080")
    # Its own: what comes untagged is not its business.
    node.apply(host_endpoint("eth0.10", name="tagged", labels={"role": "tagged"}) + policy("tagged", "role == 'tagged'", ingress=[allow("TCP", 80)]))
    node.sees(open="in:eth0.10:tcp/80 in:eth0.10:tcp/22 in:eth0:tcp/8080", closed="in:eth0.10:tcp/8080 in:eth0.10:icmp")
    # The parent's: tagged packets come by it first.
    node.apply(host_endpoint("eth0") + policy("parent", ingress=[allow("TCP", 80, 443)]))
    node.sees(open="in:eth0.10:tcp/80 in:eth0:tcp/80 in:eth0:tcp/443", closed="in:eth0.10:tcp/443 in:eth0.10:tcp/8080 in:eth0:tcp/8080")
    node.apply(nodewall_configuration(ingressHooks=[{"interface": "*", "hook": "xdp"}]))
    for link in ("eth0", "eth0.10"):
        wait_until(lambda: any(entry["hook"] == "xdp" for entry in node.interface(link)["hooks"]), f"{link} is judged at XDP")
    node.sees(open="in:eth0.10:tcp/80 in:eth0:tcp/80 in:eth0:tcp/443", closed="in:eth0.10:tcp/443 in:eth0.10:tcp/8080 in:eth0:tcp/8080")
    # The kernel takes no XDP program below one that is there already: the parent is judged at tc then.
    node.delete("hep", "eth0")
    node.sees(open="in:eth0:tcp/8080", closed="in:eth0.10:tcp/443")
    node.apply(host_endpoint("eth0"))
    node.sees(open="in:eth0.10:tcp/80 in:eth0:tcp/80 in:eth0:tcp/443", closed="in:eth0.10:tcp/443 in:eth0.10:tcp/8080 in:eth0:tcp/8080")
    node.expect("tc-ingress" in [hook["hook"] for hook in node.interface("eth0")["hooks"]], "eth0 is judged at XDP below another program")
    node.expect("above it has one" in node.interface("eth0")["problem"], f"why is not said: {node.interface('eth0')}")
    # A wildcard on both: one policy, asked twice.
    node.delete("hep", "eth0")
    node.delete("hep", "tagged")
    node.apply(host_endpoint("*"))
    node.sees(open="in:eth0.10:tcp/80 in:eth0.10:tcp/443 in:eth0:tcp/80", closed="in:eth0.10:tcp/8080 in:eth0:tcp/8080")
    node.nodewall("verify")


@story("T-X6: a kernel that is locked down for confidentiality takes the programs, and can be verified", machine=True)
def _(node):
    with open(LOCKDOWN) as file:
        node.expect("[confidentiality]" in file.read(), "the machine is not locked down")
    node.start()
    node.apply(host_endpoint("*") + web())
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/8080")
    node.nodewall("verify")


@story("T-X7: a hardened JIT changes nothing but the time it takes", links="eth0 br0", machine=True)
def _(node):
    with open(JIT_HARDEN) as file:
        before = file.read()
    try:
        with open(JIT_HARDEN, "w") as file:
            file.write("2")
        node.start()
        node.apply(host_endpoint("*") + web(deny("TCP", 8080)))
        node.sees(**JUDGED)
        node.apply(nodewall_configuration(ingressHooks=[{"interface": "*", "hook": "xdp"}]))
        wait_until(lambda: all(any(hook["hook"] == "xdp" for hook in node.interface(link)["hooks"]) for link in LINKS), "both are judged at XDP")
        node.sees(**JUDGED)
        node.nodewall("verify")
    finally:
        with open(JIT_HARDEN, "w") as file:
            file.write(before)
