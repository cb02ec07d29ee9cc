"""Traffic that the node's own NAT sends elsewhere: NodePorts, published ports of containers, addresses of services. And preDNAT policies."""
import os

from probe import CLOSED, OPEN, Target, probe
from story import allow, deny, felix, host_endpoint, nodewall_configuration, policy, story, wait_until

DEFAULT_ALLOW = ["projectcalico-default-allow"]
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
NODE_PORT = 31080
ON_LINK = ["10.77.0.0/24"], ["fd77::/64"]


def pre_dnat(name, *ingress, **spec):
    return policy(name, preDNAT=True, applyOnForward=True, types=["Ingress"], ingress=list(ingress), **spec)


def _each_nat(node, port, to):
    """Publishes a port of the pod without and with a new source address."""
    for masquerade in (False, True):
        node.publish(port, to, masquerade)
        yield


@story("case 14: a preDNAT policy closes a NodePort whose backend is a pod with its own allow policy, and nothing else",
       links="eth0 eth1", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW) + policy("pod", "app == 'web'", ingress=[allow("TCP", 8080)]))
    for _ in _each_nat(node, NODE_PORT, 8080):
        node.sees(open="in:eth0:tcp/31080 in:eth1:tcp/31080")
        flow = node.connect("in", "eth0", NODE_PORT)
        node.apply(pre_dnat("node-port", deny("TCP", NODE_PORT)))
        node.sees(closed="in:eth0:tcp/31080")
        node.keeps(closed="in:eth0:tcp/31080", seconds=0.3,
                   open="in:eth1:tcp/31080 in:eth0:tcp/80 in:eth0:tcp/30080 in:eth0:udp/5000 in:eth0:icmp out:eth0:tcp/443"
                        " via:eth0:tcp/8080 via:eth0:udp/5000 from:eth0:tcp/443")
        node.expect(not flow.echo(within=0.3), "the connection to the closed NodePort goes on")
        node.delete("gnp", "node-port")


@story("case 14: under a wildcard without policy a port of kubeNodePortRanges is a service's: open, until a preDNAT policy names who may use it",
       links="eth0 eth1", pod=True)
def _(node):
    node.start()
    for _ in _each_nat(node, NODE_PORT, 8080):
        node.apply(host_endpoint("*"))
        node.sees(closed="in:eth0:tcp/31080 in:eth1:tcp/31080 in:eth0:tcp/80")
        node.apply(felix(kubeNodePortRanges=["30000:32767"]))
        node.sees(open="in:eth0:tcp/31080 in:eth1:tcp/31080 in:eth0:tcp/22", closed="in:eth0:tcp/80 in:eth0:udp/5000 out:eth0:tcp/443")
        flow, other = node.connect("in", "eth0", NODE_PORT), node.connect("in", "eth1", NODE_PORT)
        v4, v6 = ON_LINK
        node.apply(pre_dnat("node-ports", allow("TCP", NODE_PORT, source={"nets": v4}), allow("TCP", NODE_PORT, source={"nets": v6}),
                            deny("TCP", "30000:32767")))
        node.sees(open="in:eth0:tcp/31080 in:eth0:tcp/22 in:eth1:tcp/22", closed="in:eth1:tcp/31080 in:eth0:tcp/30080 in:eth0:tcp/80")
        node.expect(flow.echo(), "the connection of an allowed source was cut")
        node.expect(not other.echo(within=0.3), "the connection of another source goes on")
        node.delete("gnp", "node-ports")
        node.apply(felix())


@story("the NAT of a service works between two governed interfaces, with and without a new source address", pod="back0")
def _(node):
    node.start()
    node.apply(host_endpoint("*") + felix(kubeNodePortRanges=["30000:32767"]))
    for _ in _each_nat(node, NODE_PORT, 8080):
        node.sees(open="in:eth0:tcp/31080 in:eth0:tcp/22", closed="in:eth0:tcp/8080 in:back0:tcp/8080")
        # At the entry it has the service's port, at the exit the pod's.
        both = {"applyOnForward": True, "types": ["Ingress", "Egress"]}
        node.apply(policy("service", ingress=[allow("TCP", NODE_PORT)], egress=[allow("TCP", 8080)], **both))
        node.sees(open="in:eth0:tcp/31080", closed="via:eth0:tcp/8080 in:eth0:tcp/30080 from:eth0:tcp/443")
        flow = node.connect("in", "eth0", NODE_PORT)
        node.apply(policy("service", ingress=[allow("TCP", NODE_PORT)], egress=[allow("TCP", 80)], **both))
        node.sees(closed="in:eth0:tcp/31080")
        node.expect(not flow.echo(within=0.3), "a connection to the service goes on although the pod's port is closed")
        node.delete("gnp", "service")


@story("what comes to a service's address is forwarded, and no more the host's own", links="eth0 eth1", pod=True)
def _(node):
    node.start()
    for _ in _each_nat(node, 443, 8080):
        node.apply(host_endpoint("*") + nodewall_configuration(serviceAddresses=[]))
        node.sees(closed="in:eth0:tcp/443 in:eth1:tcp/443")
        node.apply(nodewall_configuration(serviceAddresses=["10.77.1.2", "fd77:0:0:1::2/128"]))
        node.sees(open="in:eth1:tcp/443 in:eth1:tcp/22 in:eth0:tcp/22", closed="in:eth0:tcp/443 in:eth0:tcp/80")
        node.apply(policy("forwarded", applyOnForward=True, types=["Ingress"], ingress=[allow("TCP", 80)]))
        node.sees(open="in:eth0:tcp/80 in:eth1:tcp/22", closed="in:eth1:tcp/443 in:eth0:tcp/443")
        node.delete("gnp", "forwarded")
        node.apply(pre_dnat("service", deny("TCP", 443)))
        node.sees(open="in:eth1:tcp/22", closed="in:eth1:tcp/443 in:eth0:tcp/443")
        node.delete("gnp", "service")


def _container_network(node):
    """A container's port 80 published as 9000, and containers that reach the world by the node's address."""
    node.publish(9000, 80)
    node.node.exec("nft", "add rule inet published leaving iifname docker0 oifname != docker0 masquerade")


@story("T-U5: a port that a container publishes through a bridge is closed by a host endpoint without policy, and its address by applyOnForward",
       pod="docker0")
def _(node):
    _container_network(node)
    node.start()
    node.sees(open="in:eth0:tcp/9000 via:eth0:tcp/80 from:eth0:tcp/443 in:docker0:tcp/80")
    node.apply(host_endpoint("*"))
    node.sees(open="via:eth0:tcp/80 from:eth0:tcp/443 from:eth0:icmp", closed="in:eth0:tcp/9000 in:docker0:tcp/80")
    node.apply(policy("nothing-through", applyOnForward=True, types=["Ingress"], ingress=[deny()]))
    node.sees(closed="in:eth0:tcp/9000 via:eth0:tcp/80 via:eth0:icmp from:eth0:tcp/443")
    node.apply(policy("nothing-through", applyOnForward=True, types=["Ingress"], ingress=[allow(source={"nets": ["10.77.3.0/24"]})]))
    node.sees(open="from:eth0:tcp4/443 from:eth0:icmp4", closed="in:eth0:tcp/9000 via:eth0:tcp/80 from:eth0:tcp6/443")


@story("T-U5: where the host's own ports are open, preDNAT or applyOnForward closes a container's published port", pod="docker0")
def _(node):
    _container_network(node)
    node.start()
    node.apply(host_endpoint("*", profiles=DEFAULT_ALLOW))
    node.sees(open="in:eth0:tcp/9000 in:eth0:tcp/80 via:eth0:tcp/80")
    node.apply(pre_dnat("published", deny("TCP", 9000)))
    node.sees(open="in:eth0:tcp/80 via:eth0:tcp/80 from:eth0:tcp/443", closed="in:eth0:tcp/9000")
    node.delete("gnp", "published")
    node.sees(open="in:eth0:tcp/9000")
    flow = node.connect("in", "eth0", 9000)
    node.apply(policy("no-web", applyOnForward=True, types=["Egress"], egress=[deny("TCP", 80), allow()]))
    node.sees(open="in:eth0:tcp/80 via:eth0:tcp/443 from:eth0:tcp/443", closed="in:eth0:tcp/9000 via:eth0:tcp/80")
    node.expect(not flow.echo(within=0.3), "a connection to the published port goes on")


@story("the example that closes NodePorts works as written", pod=True)
def _(node):
    node.publish(NODE_PORT, 8080)
    node.client.ip("addr add 192.0.2.1/32 dev c-eth0")
    node.node.ip("route add 192.0.2.1/32 via 10.77.0.1")
    outside = Target(node.client, "tcp", "10.77.0.2", NODE_PORT, "192.0.2.1"), Target(node.client, "tcp", "10.77.0.2", 80, "192.0.2.1")
    node.start()
    node.expect(probe(outside) == dict.fromkeys(outside, OPEN), "the NodePort is closed before anything is applied")
    node.nodewall("apply", "-f", f"{EXAMPLES}/close-node-ports.yaml")
    wait_until(lambda: probe(outside) == {outside[0]: CLOSED, outside[1]: OPEN}, "the NodePort is closed from outside, and nothing else is")
    node.keeps(open="in:eth0:tcp/31080 in:eth0:tcp/80 out:eth0:tcp/443 via:eth0:tcp/80", seconds=0.3)
