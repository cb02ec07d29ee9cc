"""What policy means for real packets."""
import socket
import struct

from story import allow, deny, felix, host_endpoint, manifest, nodewall_configuration, policy, rule, story, wait_until


@story("case 9: the policy of the lower order decides, and of equal orders the lower name")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0"))
    node.apply(policy("z-deny", order=10, ingress=[deny("TCP", 80)]) + policy("a-allow", order=20, ingress=[allow("TCP", 80), allow("TCP", 443)]))
    node.sees(open="in:eth0:tcp/443", closed="in:eth0:tcp/80")
    node.apply(policy("z-deny", order=20, ingress=[deny("TCP", 80)]))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/443")


@story("case 10: Pass goes to the next tier, and after the last one to the profiles")
def _(node):
    node.start()
    node.apply(manifest("Tier", "first", {"order": 10}) + manifest("Tier", "second", {"order": 20}))
    node.apply(host_endpoint("eth0", profiles=["projectcalico-default-allow"]))
    node.apply(policy("first.pass", tier="first", ingress=[rule("Pass", "TCP")]))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/443", closed="in:eth0:udp/5000")
    node.apply(policy("second.some", tier="second", ingress=[allow("TCP", 80), rule("Pass", "TCP", 443), deny()]))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/443", closed="in:eth0:tcp/8080 in:eth0:udp/5000")


@story("case 11: a tier whose default action is Pass falls to what comes next")
def _(node):
    node.start()
    node.apply(manifest("Tier", "first", {"order": 10, "defaultAction": "Pass"}))
    node.apply(host_endpoint("eth0"))
    node.apply(policy("first.some", tier="first", ingress=[deny("TCP", 80)]) + policy("web", ingress=[allow("TCP", "80:443")]))
    node.sees(open="in:eth0:tcp/443", closed="in:eth0:tcp/80 in:eth0:tcp/8080")
    node.delete("gnp", "web")
    node.sees(closed="in:eth0:tcp/443 in:eth0:tcp/80")
    node.apply(host_endpoint("eth0", profiles=["projectcalico-default-allow"]))
    node.sees(open="in:eth0:tcp/443 in:eth0:udp/5000", closed="in:eth0:tcp/80")


@story("case 16: a failsafe port with a net is open from there only", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("*"))
    node.sees(open="in:eth0:tcp/22 in:eth1:tcp/22")
    node.apply(felix(failsafeInboundHostPorts=[{"protocol": "TCP", "port": 22, "net": "10.77.0.0/24"}]))
    node.sees(open="in:eth0:tcp4/22 out:eth0:udp/53", closed="in:eth0:tcp6/22 in:eth1:tcp/22 in:eth0:tcp/6443")


@story("case 17: without failsafe ports policy decides about SSH too")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + felix(failsafeInboundHostPorts=[], failsafeOutboundHostPorts=[]))
    node.sees(closed="in:eth0:tcp/22 out:eth0:udp/53")
    node.apply(policy("ssh", ingress=[allow("TCP", 22)], egress=[allow("UDP", 53)]))
    node.sees(open="in:eth0:tcp/22 out:eth0:udp/53", closed="in:eth0:tcp/80")


def _open_flow(node):
    node.apply(host_endpoint("eth0") + policy("web", ingress=[allow("TCP", 80)]))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443")
    flow = node.connect("in", "eth0", 80)
    node.expect(flow.echo(), "the connection carries nothing")
    return flow


@story("case 18: under establishedFlows Keep a flow goes on when its allow rule goes")
def _(node):
    node.start()
    node.apply(nodewall_configuration(establishedFlows="Keep"))
    flow = _open_flow(node)
    node.delete("gnp", "web")
    node.sees(closed="in:eth0:tcp/80")
    for _ in range(20):
        node.expect(flow.echo(), "the flow was cut")
    node.keeps(closed="in:eth0:tcp/80", seconds=0.5)


@story("T-C8: by default a flow that the new policy denies stops within a second")
def _(node):
    node.start()
    flow = _open_flow(node)
    other = node.connect("in", "eth0", 22)
    node.delete("gnp", "web")
    wait_until(lambda: not flow.echo(within=0.2), "the denied flow stops", within=1)
    node.expect(not flow.echo(within=0.5), "the denied flow came back")
    node.expect(other.echo(), "a flow of a failsafe port was cut")


@story("case 19: an ICMP error passes when it is about a flow that was allowed, and only then")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + policy("out", types=["Ingress", "Egress"], egress=[allow("UDP")]))
    # 9999: nobody listens, so the client answers with port unreachable, which the node's socket is told.
    node.sees(refused="out:eth0:udp/9999", closed="in:eth0:icmp out:eth0:icmp")
    node.count(errors="icmp type destination-unreachable")
    with node.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.sendto(_unreachable(), ("10.77.0.2", 0))
    node.sees(refused="out:eth0:udp4/9998")
    node.expect(node.counted("errors") > 0, "no error about an allowed flow came in")
    before = node.counted("errors")
    with node.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        for _ in range(100):
            raw.sendto(_unreachable(), ("10.77.0.2", 0))
    node.expect(node.counted("errors") == before, "an error about a flow that never was came in")


def _unreachable():
    quoted = struct.pack("!BBHHHBBH4s4sHHHH", 0x45, 0, 28, 7, 0, 64, 17, 0, bytes((10, 77, 0, 2)), bytes((10, 77, 0, 1)), 4444, 5555, 8, 0)
    message = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]


@story("case 20: a policy with a namespaceSelector selects no host endpoint")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=["projectcalico-default-allow"]))
    node.apply(policy("pods", "all()", namespaceSelector="all()", ingress=[deny()], egress=[deny()]))
    node.keeps(open="in:eth0:tcp/80 out:eth0:tcp/443", seconds=0.5)
    node.apply(policy("pods", "all()", ingress=[deny()], egress=[deny()]))
    node.sees(closed="in:eth0:tcp/80 out:eth0:tcp/443")


@story("case 21: a rule's selector finds the nets of a GlobalNetworkSet, and follows their changes", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("*") + policy("partners", ingress=[allow("TCP", 80, source={"selector": "trust == 'yes'"})]))
    node.sees(closed="in:eth0:tcp/80 in:eth1:tcp/80")

    def partners(*nets):
        return manifest("GlobalNetworkSet", "partners", {"nets": list(nets)}, labels={"trust": "yes"})

    node.apply(partners("10.77.0.0/24", "fd77:0:0:1::/64"))
    node.sees(open="in:eth0:tcp4/80 in:eth1:tcp6/80", closed="in:eth0:tcp6/80 in:eth1:tcp4/80")
    node.apply(partners("10.77.1.1/32", "fd77::/64"))
    node.sees(open="in:eth0:tcp6/80 in:eth1:tcp4/80", closed="in:eth0:tcp4/80 in:eth1:tcp6/80")
