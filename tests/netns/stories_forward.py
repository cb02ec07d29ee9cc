"""What applyOnForward policies do to traffic that the node forwards."""
import signal
import socket

from story import Traffic, allow, deny, host_endpoint, nodewall_configuration, policy, story, wait_until

DEFAULT_ALLOW = ["projectcalico-default-allow"]


def forward(name, selector="role == 'node'", **spec):
    return policy(name, selector, applyOnForward=True, **spec)


@story("case 12: an applyOnForward policy that denies ingress closes what is forwarded in, and the host's own", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW) + policy("own", types=["Ingress"], ingress=[deny()]))
    node.sees(closed="in:eth0:tcp/80 in:eth0:icmp", open="via:eth0:tcp/80 via:eth0:tcp/22 via:eth0:udp/5000 via:eth0:icmp")
    node.apply(forward("own", types=["Ingress"], ingress=[deny()]))
    node.sees(closed="in:eth0:tcp/80 in:eth0:icmp via:eth0:tcp/80 via:eth0:tcp/22 via:eth0:udp/5000 via:eth0:icmp",
              open="in:eth0:tcp/22 out:eth0:tcp/443 from:eth0:tcp/80 from:eth0:udp/5000 from:eth0:icmp")
    node.delete("gnp", "own")
    node.sees(open="in:eth0:tcp/80 via:eth0:tcp/80 via:eth0:udp/5000 via:eth0:icmp")


@story("case 13: an applyOnForward policy for egress alone filters what is forwarded out and nothing that comes in", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW) + forward("web", types=["Egress"], egress=[allow("TCP", 80)]))
    node.sees(open="via:eth0:tcp/443 via:eth0:udp/5000 via:eth0:icmp in:eth0:tcp/443 from:eth0:tcp/80 out:eth0:tcp/80 out:eth0:udp/53",
              closed="from:eth0:tcp/443 from:eth0:udp/5000 from:eth0:udp/53 from:eth0:icmp out:eth0:tcp/443")


@story("what is forwarded uses no failsafe port and no profile", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW) + forward("web", ingress=[allow("TCP", 80)], egress=[allow("TCP", 443)]))
    node.sees(open="in:eth0:tcp/22 in:eth0:tcp/6443 out:eth0:udp/53 via:eth0:tcp/80 from:eth0:tcp/443",
              closed="via:eth0:tcp/22 via:eth0:tcp/6443 from:eth0:udp/53 from:eth0:tcp/2379")


@story("a packet from one governed interface to another needs the applyOnForward policies of both", pod="back0")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", labels={"side": "a"}, profiles=DEFAULT_ALLOW) + host_endpoint("back0", labels={"side": "b"}, profiles=DEFAULT_ALLOW))
    node.apply(forward("a", "side == 'a'", types=["Ingress"], ingress=[allow("TCP", 80), allow("TCP", 443)]))
    node.sees(open="via:eth0:tcp/80 via:eth0:tcp/443", closed="via:eth0:tcp/8080")
    node.apply(forward("b", "side == 'b'", types=["Egress"], egress=[allow("TCP", 80), allow("TCP", 8080)]))
    node.sees(open="via:eth0:tcp/80 from:eth0:tcp/443 from:eth0:udp/5000", closed="via:eth0:tcp/443 via:eth0:tcp/8080 via:eth0:udp/5000")
    node.delete("gnp", "a")
    node.sees(open="via:eth0:tcp/80 via:eth0:tcp/8080", closed="via:eth0:tcp/443")


@story("a wildcard's applyOnForward policy polices a workload's traffic at the node's interface, not at the workload's", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*") + forward("some", ingress=[allow("TCP", 80)], egress=[allow("TCP", 443)]))
    node.sees(open="via:eth0:tcp/80 from:eth0:tcp/443 in:cali1234:tcp/8080 pod:eth0:tcp/8080 out:cali1234:tcp/80",
              closed="via:eth0:tcp/443 from:eth0:tcp/80 from:eth0:icmp")


@story("a wildcard's applyOnForward policy polices at both interfaces when neither is a workload's", pod="back0")
def _(node):
    node.start()
    node.apply(host_endpoint("*") + forward("some", ingress=[allow("TCP", 80), allow("TCP", 8080)], egress=[allow("TCP", 443), allow("TCP", 8080)]))
    node.sees(open="via:eth0:tcp/8080 from:eth0:tcp/8080",
              closed="via:eth0:tcp/80 via:eth0:tcp/443 from:eth0:tcp/80 from:eth0:tcp/443 pod:eth0:tcp/443")


@story("T-D6: a workload reaches its node whatever the wildcard says, also by a route of its own, and another network behind the node does not",
       pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*") + policy("none", types=["Ingress", "Egress"], ingress=[deny()], egress=[deny()]))
    reached = "in:cali1234:tcp/80 in:cali1234:udp/5000 in:cali1234:icmp pod:eth0:tcp/80 out:cali1234:tcp/80"
    node.sees(open=reached, closed="in:eth0:tcp/80")
    node.node.ip("route add 10.77.3.1/32 dev cali1234", "route add fd77:0:0:3::1/128 dev cali1234")
    node.keeps(open=reached, closed="in:eth0:tcp/80", seconds=0.3)
    node.node.ip("link set cali1234 down", "addr flush dev cali1234", "link set cali1234 name back0")
    node.address(node.node, "back0", 3, 2, 1)
    node.wait_governed("back0", "wildcard")
    node.sees(closed="in:back0:tcp/80 in:back0:udp/5000 in:back0:icmp pod:eth0:tcp/80 out:back0:tcp/80", open="in:back0:tcp/22 via:eth0:tcp/80")


def _forwarded_flows(node):
    node.apply(host_endpoint("eth0") + forward("web", ingress=[allow("TCP", 80), allow("TCP", 443)], egress=[allow("TCP", 80)]))
    node.sees(open="via:eth0:tcp/80 via:eth0:tcp/443 from:eth0:tcp/80", closed="via:eth0:tcp/8080")
    flows = [node.connect("via", "eth0", port, family) for port in (80, 443) for family in (4, 6)] + [node.connect("from", "eth0", 80)]
    node.expect(all(flow.echo() for flow in flows), "a connection carries nothing")
    return flows


@story("T-C8: a forwarded flow that the new policy denies stops within a second, and others go on", pod=True)
def _(node):
    node.start()
    *web, tls, tls6, outward = _forwarded_flows(node)
    node.apply(forward("web", ingress=[allow("TCP", 443)], egress=[allow("TCP", 80)]))
    node.sees(closed="via:eth0:tcp/80")
    for flow in web:
        wait_until(lambda flow=flow: not flow.echo(within=0.2), "the denied flow stops", within=1)
    for flow in (tls, tls6, outward):
        node.expect(flow.echo(), "a flow that is allowed was cut")
    node.expect(not any(flow.echo(within=0.3) for flow in web), "a denied flow came back")


def _pushing_flow(node, namespace, address):
    """(the client's end, the server's end) of a connection to a server that may speak unasked."""
    server = namespace.socket(socket.AF_INET)
    server.bind((address, 7000))
    server.listen(1)
    client = node.client.socket(socket.AF_INET)
    client.settimeout(5)
    client.connect((address, 7000))
    accepted, _ = server.accept()
    server.close()
    return client, accepted


def _hears(end, other, within):
    other.settimeout(5)
    other.send(b"anything")
    end.settimeout(within)
    try:
        return bool(end.recv(64))
    except OSError:
        return False


@story("T-C8: what a stopped flow's server still sends does not open it again, though the server may send as it likes", pod=True)
def _(node):
    node.start()
    # The policy first: what is forwarded before there is one has no entry that could be stopped.
    node.apply(forward("most", types=["Ingress"], ingress=[allow()]))
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW))
    node.wait_governed("eth0", "eth0")
    flows = [_pushing_flow(node, node.node, "10.77.0.2"), _pushing_flow(node, node.pod, "10.77.3.1")]
    for client, server in flows:
        node.expect(_hears(server, client, 5) and _hears(client, server, 5), "a connection carries nothing")
    node.apply(forward("most", types=["Ingress"], ingress=[deny("TCP", "7000:8080"), allow()]))
    node.sees(closed="in:eth0:tcp/8080 via:eth0:tcp/8080", open="in:eth0:tcp/80 from:eth0:tcp/80 out:eth0:tcp/443")
    for client, server in flows:
        server.send(b"unasked")
        node.expect(not _hears(server, client, 1), "the server hears a client whose flow was stopped")
        node.expect(not _hears(client, server, 0.5), "the client hears the server of a flow that was stopped")


@story("case 18: under establishedFlows Keep a forwarded flow goes on when its allow rule goes", pod=True)
def _(node):
    node.start()
    node.apply(nodewall_configuration(establishedFlows="Keep"))
    flows = _forwarded_flows(node)
    node.apply(forward("web", ingress=[deny()]))
    node.sees(closed="via:eth0:tcp/80 via:eth0:tcp/443")
    for _ in range(10):
        node.expect(all(flow.echo() for flow in flows), "a flow was cut")


@story("a flow that was forwarded before any applyOnForward policy is judged as any other when there is one", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0"))
    node.sees(closed="in:eth0:tcp/80")
    denied, allowed, outward = node.connect("via", "eth0", 8080), node.connect("via", "eth0", 80), node.connect("from", "eth0", 80)
    node.expect(denied.echo() and allowed.echo() and outward.echo(), "a connection carries nothing")
    node.apply(forward("web", types=["Ingress", "Egress"], ingress=[allow("TCP", 80)], egress=[allow("TCP", 80)]))
    node.sees(closed="via:eth0:tcp/8080")
    node.expect(not denied.echo(within=0.3), "a denied flow goes on")
    node.expect(allowed.echo() and outward.echo(), "a flow that is allowed was cut")


@story("T-R1: kill -9 of the daemon and its restart let no forbidden packet through and lose none of a forwarded flow", pod=True, measured=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*") + forward("web", ingress=[allow("TCP", 80), allow("UDP", 5000)]))
    judged = {"open": "via:eth0:tcp/80 in:eth0:tcp/22", "closed": "via:eth0:tcp/443 in:eth0:tcp/443"}
    node.sees(**judged)
    flow = node.connect("via", "eth0", 80)
    traffic = Traffic(node, rate=10000, dst="10.77.3.1")
    for signal_number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        node.daemon.end(signal_number)
        node.keeps(**judged, seconds=0.1)
        node.start()
        node.expect(flow.echo(), "an open connection was cut")
    traffic.check(at_least=10000)
    node.keeps(**judged, seconds=0.3)
