"""Policies beside the host's own: untracked ones, Log rules, staged ones."""
import json
import os

from story import (Traffic, allow, deny, felix, host_endpoint, manifest, nodewall_configuration, policy, rule, story, wait_until)

DEFAULT_ALLOW = ["projectcalico-default-allow"]
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")


def untracked(name, **spec):
    return policy(name, doNotTrack=True, applyOnForward=True, **spec)


def _each_hook(node):
    """The ingress of eth0 at tc, then at XDP."""
    for hook, program in (("tc", "tc-ingress"), ("xdp", "xdp")):
        node.apply(nodewall_configuration(ingressHooks=[{"interface": "eth0", "hook": hook}]))
        wait_until(lambda program=program: program in [it["hook"] for it in node.interface("eth0").get("hooks", [])], f"eth0 is judged at {hook}")
        yield


@story("case 15: a doNotTrack policy that allows a port in needs a rule for its answers, at tc and at XDP")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0"))
    node.count(asked="tcp dport 80")
    answers = allow("TCP", source={"ports": [80]})
    for _ in _each_hook(node):
        node.apply(untracked("web", types=["Ingress"], ingress=[allow("TCP", 80)]))
        before = node.counted("asked")
        node.sees(closed="in:eth0:tcp/80 in:eth0:tcp/443", open="in:eth0:tcp/22")
        wait_until(lambda: node.ask(["in:eth0:tcp/80"]) and node.counted("asked") > before, "questions come in, though no answer goes out")
        node.apply(untracked("web", ingress=[allow("TCP", 80)], egress=[answers]))
        node.sees(open="in:eth0:tcp/80 in:eth0:tcp/22", closed="in:eth0:tcp/443 in:eth0:udp/5000 out:eth0:tcp/443")
        flow = node.connect("in", "eth0", 80)
        node.expect(flow.echo(), "an untracked connection carries nothing")
        node.apply(untracked("web", types=["Ingress", "Egress"], egress=[answers]))
        node.sees(closed="in:eth0:tcp/80")
        node.expect(not flow.echo(within=0.3), "an untracked connection goes on although its packets are denied")


@story("case 15: no doNotTrack policy closes a failsafe port, in either direction, at tc and at XDP")
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW))
    for _ in _each_hook(node):
        node.sees(open="in:eth0:tcp/80 out:eth0:tcp/443")
        flow = node.connect("in", "eth0", 22)
        node.apply(untracked("nothing", types=["Ingress", "Egress"], ingress=[deny()], egress=[deny()]))
        node.sees(open="in:eth0:tcp/22 in:eth0:tcp/6443 out:eth0:udp/53 out:eth0:tcp/2379",
                  closed="in:eth0:tcp/80 in:eth0:udp/5000 in:eth0:icmp out:eth0:tcp/443 out:eth0:udp/5000 out:eth0:icmp")
        node.expect(flow.echo(), "a connection to SSH was cut")
        node.delete("gnp", "nothing")


@story("a doNotTrack policy that denies closes what is forwarded in too, and stops flows that are known", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW))
    for _ in _each_hook(node):
        node.sees(open="in:eth0:tcp/80 via:eth0:tcp/80")
        own, through = node.connect("in", "eth0", 80), node.connect("via", "eth0", 80)
        node.apply(untracked("no-web", types=["Ingress"], ingress=[deny("TCP", 80)]))
        node.sees(open="in:eth0:tcp/443 via:eth0:tcp/443 from:eth0:tcp/443", closed="in:eth0:tcp/80 via:eth0:tcp/80")
        node.expect(not own.echo(within=0.3) and not through.echo(within=0.3), "a denied flow goes on")
        node.delete("gnp", "no-web")


@story("case 15: a doNotTrack policy on a wildcard does nothing, and status says so", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(host_endpoint("*", profiles=DEFAULT_ALLOW) + untracked("no-web", types=["Ingress"], ingress=[deny("TCP", 80)]))
    said = wait_until(lambda: [it for it in node.status()["conditions"] if it["type"] == "NotEnforced" and it["object"] == "GlobalNetworkPolicy(no-web)"],
                      "a condition NotEnforced")
    node.expect("wildcard" in said[0]["message"], f"the condition does not name the host endpoint: {said}")
    node.keeps(open="in:eth0:tcp/80 in:eth1:tcp/80", seconds=0.3)
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW))
    node.sees(open="in:eth1:tcp/80 in:eth0:tcp/443", closed="in:eth0:tcp/80")


@story("the example of an untracked DNS server works as written")
def _(node):
    node.start()
    node.nodewall("apply", "-f", f"{EXAMPLES}/untracked-dns.yaml")
    for _ in _each_hook(node):
        node.nodewall("apply", "-f", f"{EXAMPLES}/untracked-dns.yaml")
        node.sees(open="in:eth0:udp/53 in:eth0:tcp/22 out:eth0:udp/53 out:eth0:tcp/443 out:eth0:icmp",
                  closed="in:eth0:udp/5000 in:eth0:tcp/80 in:eth0:icmp")
        flows = json.loads(node.nodewall("show", "conntrack", "-j").stdout)
        node.expect(not [it for it in flows if it["destinationPort"] == 53 and it["begunBy"] == "outside"], f"a question is tracked: {flows}")
        node.delete("gnp", "untracked-dns")
        node.sees(closed="in:eth0:udp/53", open="out:eth0:udp/53")


def _events(node, **wanted):
    """Events of `nodewall events` that have these fields."""
    lines = [json.loads(line) for line in node.nodewall("events", "-o", "json").stdout.splitlines()]
    return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]


@story("a Log rule before Deny tells of the packet that was denied, and changes nothing else", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW))
    node.apply(policy("logged", applyOnForward=True, types=["Ingress"], ingress=[allow("TCP", 80), rule("Log"), deny("TCP", 8080), allow()]))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/443 via:eth0:tcp/443", closed="in:eth0:tcp/8080 via:eth0:tcp/8080")
    denied = {"interface": "eth0", "direction": "ingress", "protocol": "TCP", "dport": 8080, "verdict": "deny", "policy": "logged", "rule": 2}
    for destination, forwarded in (("10.77.0.2", False), ("fd77::2", False), ("10.77.3.1", True), ("fd77:0:0:3::1", True)):
        wait_until(lambda to=destination, is_forwarded=forwarded: _events(node, dst=to, forwarded=is_forwarded, **denied),
                   f"an event of a packet to {destination}")
    wait_until(lambda: _events(node, dst="10.77.0.2", dport=443, verdict="allow"), "an event of the packet that a later rule allows")
    node.expect(not _events(node, dport=80), "a packet was logged that a rule before Log allows")


@story("the rate limit of Log rules holds under a flood, which costs an allowed flow nothing", measured=True)
def _(node):
    node.start()
    node.apply(felix(logActionRateLimit="10/second", logActionRateLimitBurst=5))
    node.apply(host_endpoint("eth0") + policy("logged", ingress=[allow("UDP", Traffic.ALLOWED), rule("Log"), deny()]))
    node.sees(closed="in:eth0:tcp/443", open="in:eth0:tcp/22")
    before = len(_events(node, verdict="deny"))
    traffic = Traffic(node, rate=20000)
    wait_until(lambda: len(_events(node, verdict="deny")) - before >= 20, "events of the flood")
    seconds = traffic.check(at_least=1000)["seconds"]
    told = len(_events(node, verdict="deny")) - before
    node.expect(told <= 10 * (seconds + 1) + 5, f"{told} events in {seconds} s")
    suppressed = json.loads(node.nodewall("show", "counters", "-j").stdout)["events"]["suppressed"]
    print(f"{told} events in {seconds} s, {suppressed} kept back")
    node.expect(suppressed > 1000, f"only {suppressed} events are counted as kept back")


def _staged(name, **spec):
    return manifest("StagedGlobalNetworkPolicy", name, {"selector": "role == 'node'"} | spec)


def _would_deny(node, chain):
    """Packets that the staged Deny rule would have denied in the chain."""
    endpoint = json.loads(node.nodewall("show", "policy", "-j").stdout)["endpoints"][0]
    rules = [it for tier in endpoint["staged"].get(chain, {}).get("tiers", []) for it in tier["rules"] if it["staged"] and it["action"] == "Deny"]
    return sum(it.get("packets", 0) for it in rules)


@story("a staged policy denies nothing and counts what it would deny, rule by rule, and in force it denies that", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0", profiles=DEFAULT_ALLOW))
    node.wait_governed("eth0", "eth0")
    spec = {"applyOnForward": True, "types": ["Ingress"], "ingress": [deny("TCP", 80), allow()]}
    judged = "in:eth0:tcp/80 via:eth0:tcp/80"
    node.apply(_staged("no-web", **spec))
    wait_until(lambda: json.loads(node.nodewall("show", "policy", "-j").stdout)["endpoints"][0]["staged"], "the staged policy is evaluated")
    node.keeps(open=f"{judged} in:eth0:tcp/443 via:eth0:tcp/443", seconds=0.3)
    for chain in ("ingress", "forward-ingress"):
        node.expect(_would_deny(node, chain) > 0, f"no packet is counted that would be denied at {chain}")
    counted = json.loads(node.nodewall("show", "counters", "-j").stdout)["staged"]
    node.expect(any(it["interface"] == "eth0" and it["staged_deny"] > 0 for it in counted), f"show counters has {counted}")
    node.apply(policy("no-web", **spec))
    node.sees(closed=judged, open="in:eth0:tcp/443 via:eth0:tcp/443")


@story("a staged policy of a flow that is known cuts nothing, and one that deletes a policy opens nothing", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("eth0") + policy("web", applyOnForward=True, types=["Ingress"], ingress=[allow("TCP", 80), deny()]))
    node.sees(open="in:eth0:tcp/80 via:eth0:tcp/80", closed="in:eth0:tcp/443 via:eth0:tcp/443")
    flows = [node.connect(way, "eth0", 80) for way in ("in", "via")]
    before = node.generation()
    node.apply(_staged("nothing", order=1, applyOnForward=True, types=["Ingress"], ingress=[deny()]))
    wait_until(lambda: node.generation() != before, "the staged policy is live")
    node.expect(all(flow.echo() for flow in flows), "a flow was cut")
    node.delete("sgnp", "nothing")
    node.apply(manifest("StagedGlobalNetworkPolicy", "web", {"stagedAction": "Delete"}))
    node.keeps(open="in:eth0:tcp/80 via:eth0:tcp/80", closed="in:eth0:tcp/443 via:eth0:tcp/443", seconds=0.5)
    node.expect(all(flow.echo() for flow in flows), "a flow was cut")
