"""What every kernel must do with real packets, at each hook that it has. tests/kernels runs this inside other kernels too."""
import os

from story import allow, deny, host_endpoint, nodewall_configuration, policy, story, wait_until

LINKS = ("eth0", "br0")
OPEN = "in:{0}:tcp/22 in:{0}:tcp/80 in:{0}:udp/5000 out:{0}:udp/53 out:{0}:tcp/443"
CLOSED = "in:{0}:tcp/443 in:{0}:tcp/8080 in:{0}:udp/123 in:{0}:icmp out:{0}:tcp/80 out:{0}:icmp"
JUDGED = {answer: " ".join(specs.format(link) for link in LINKS) for answer, specs in (("open", OPEN), ("closed", CLOSED))}


def web(*ingress):
    return policy("web", types=["Ingress", "Egress"], egress=[allow("TCP", 443)], ingress=[*ingress, allow("TCP", 80), allow("UDP", 5000)])


def _judged_at(node, hook, modes):
    """Ingress of each link is judged at that hook, in that mode, and at no other."""
    for link, mode in zip(LINKS, modes):
        hooks = {entry["hook"]: entry["mode"] for entry in node.interface(link)["hooks"] if entry["hook"] != "tc-egress"}
        node.expect(hooks == {hook: mode}, f"{link} is judged at {hooks}, not at {hook} ({mode})")


def _kernel_has_tcx():
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 6)


@story("every kernel: closed at tcx or clsact, then at XDP native and generic, a node opens what policy allows and nothing else",
       links="eth0 br0")
def _(node):
    node.start()
    flows = [node.connect("in", "eth0", 80), node.connect("in", "br0", 80, family=6)]
    node.apply(host_endpoint("*") + web(deny("TCP", 8080)))
    node.sees(**JUDGED)
    node.keeps(**JUDGED, seconds=0.5)
    _judged_at(node, "tc-ingress", ["tcx" if _kernel_has_tcx() else "clsact"] * 2)
    node.expect(all(flow.echo() for flow in flows), "a connection that was open, and is allowed, was cut")
    node.nodewall("verify")

    node.apply(nodewall_configuration(ingressHooks=[{"interface": "*", "hook": "xdp"}]))
    wait_until(lambda: all(any(hook["hook"] == "xdp" for hook in node.interface(link)["hooks"]) for link in LINKS), "both are judged at XDP")
    node.sees(**JUDGED)
    node.keeps(**JUDGED, seconds=0.5)
    _judged_at(node, "xdp", ["native", "generic"])
    node.apply(web(allow("ICMP"), allow("ICMPv6")))
    node.sees(open="in:eth0:icmp in:br0:icmp", closed="in:eth0:tcp/8080 in:br0:tcp/8080 out:eth0:icmp")
    node.expect(all(flow.echo() for flow in flows), "a connection was cut by a hook or a policy that allows it")
    node.expect("tier_default" in node.nodewall("show", "counters").stdout, "no packet was counted as dropped under tier_default")
    node.nodewall("verify")
    node.delete("gnp", "web")
    wait_until(lambda: not any(flow.echo(within=0.2) for flow in flows), "connections that nothing allows any more stop")
