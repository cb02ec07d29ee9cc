"""Objects come in any order, change and go: what counts is what there is."""
import json
import re

from story import allow, deny, host_endpoint, policy, story, wait_until

OPEN = "in:eth0:tcp/80 in:eth0:tcp/443 in:eth0:udp/5000 in:eth0:icmp out:eth0:tcp/443 out:eth0:icmp"
WEB = {"open": "in:eth0:tcp/80 in:eth0:tcp/22", "closed": "in:eth0:tcp/443 in:eth0:icmp out:eth0:tcp/443"}


@story("T-P6: policy before host endpoint and host endpoint before policy end alike")
def _(node):
    node.start()
    web, endpoint = policy("web", ingress=[allow("TCP", 80)]), host_endpoint("eth0")
    node.apply(web)
    node.keeps(open=OPEN, seconds=0.3)
    node.apply(endpoint)
    node.sees(**WEB)
    node.keeps(**WEB, seconds=0.3)
    first = _shown(node)

    node.delete("gnp", "web")
    node.delete("hep", "eth0")
    node.sees(open=OPEN)
    node.apply(endpoint)
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80 in:eth0:tcp/443 out:eth0:tcp/443")
    node.apply(web)
    node.sees(**WEB)
    node.keeps(**WEB, seconds=0.3)
    node.expect(_shown(node) == first, f"the two orders are shown differently: {first}")


def _shown(node):
    """What is enforced, but for its number and for what was counted."""
    seen = json.loads(re.sub(r'"(packets|bytes)":\d+', r'"\1":0', node.nodewall("show", "policy", "-j").stdout))
    return seen["endpoints"], seen["image"]


@story("T-P7: deleting a host endpoint opens its interface again, for new connections and for one that it had cut")
def _(node):
    node.start()
    node.sees(open=OPEN)
    node.apply(policy("nothing", ingress=[allow("TCP", 8080)]) + host_endpoint("eth0"))
    node.sees(open="in:eth0:tcp/8080", closed="in:eth0:tcp/80")
    flow = node.connect("in", "eth0", 8080)
    node.expect(flow.echo(), "the connection carries nothing")
    node.apply(policy("nothing", ingress=[deny()], egress=[deny()]))
    wait_until(lambda: not flow.echo(within=0.2), "the denied connection stops")
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80 in:eth0:tcp/443 in:eth0:udp/5000 in:eth0:icmp out:eth0:tcp/443 out:eth0:icmp")
    node.delete("hep", "eth0")
    node.wait_governed("eth0", "")
    node.sees(open=OPEN)
    node.keeps(open=OPEN, seconds=0.5)
    node.expect(flow.echo(within=10), "the connection that was cut does not go on")
    node.expect(not node.interface("eth0").get("hooks"), f"hooks are left on eth0: {node.interface('eth0')}")


@story("T-L1: a host endpoint whose labels come late denies until they do, also when policy for them is there")
def _(node):
    node.start()
    node.apply(policy("web", "role == 'web'", ingress=[allow("TCP", 80)]) + host_endpoint("eth0", labels={}))
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80 in:eth0:tcp/443 out:eth0:tcp/443")
    node.keeps(closed="in:eth0:tcp/80 in:eth0:tcp/443", seconds=0.3)
    node.nodewall("label", "hep", "eth0", "role=web")
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443")
    node.nodewall("label", "hep", "eth0", "role", "--remove")
    node.sees(closed="in:eth0:tcp/80 in:eth0:tcp/443")


@story("T-D6: what a workload sends to the host is not closed by the wildcard, by whatever address of the host",
       links="eth0 eth1", pod=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*") + policy("nothing", ingress=[deny()]))
    node.sees(closed="in:eth0:tcp/80 in:eth1:tcp/80 in:eth0:icmp")
    # Both families; the pod's way to the addresses of eth0 and eth1 is its own link.
    node.keeps(open="in:cali1234:tcp/80 in:cali1234:udp/5000 in:cali1234:icmp", seconds=0.3)
    for address in ("10.77.0.2", "10.77.1.2", "fd77::2", "fd77:0:0:1::2"):
        node.pod.exec("ping", "-c1", "-W2", address)
    node.apply(host_endpoint("cali1234", name="for-a-workload"))
    node.keeps(open="in:cali1234:tcp/80 in:cali1234:icmp", closed="in:eth0:tcp/80", seconds=0.5)
    problem = str(node.state()["conditions"])
    node.expect("for-a-workload" in problem, f"nothing says that a host endpoint cannot govern a workload's interface: {problem}")


@story("T-Z1: closing everything from a session over SSH leaves the session and lets the next one in")
def _(node):
    sessions = [node.connect("in", "eth0", 22), node.connect("in", "eth0", 22, 6)]
    for session in sessions:
        node.expect(session.echo(), "the session carries nothing")
    node.start()
    node.apply(policy("nothing", "all()", order=0, ingress=[deny()], egress=[deny()]) + host_endpoint("*"))
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80 in:eth0:tcp/443 in:eth0:icmp out:eth0:tcp/443")
    for session in sessions:
        node.expect(session.echo(), "the session over the failsafe port was cut")
    node.keeps(open="in:eth0:tcp/22", closed="in:eth0:tcp/443", seconds=0.5)
    node.apply(policy("nothing", "all()", order=0, ingress=[deny("TCP", 22), deny()], egress=[deny()]))
    for session in sessions:
        node.expect(session.echo(), "a rule about port 22 cut the session")
    node.expect(node.connect("in", "eth0", 22).echo(), "no new session comes in")
