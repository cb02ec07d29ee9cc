"""Nothing opens a node but `nodewall disarm`: not the end of the daemon, not a lost datastore, not another tool."""
import json
import os
import signal
import socket
import struct
import time

from story import CommandFailed, Traffic, allow, deny, host_endpoint, policy, story, wait_until


def _close(node):
    node.start()
    node.apply(policy("web", ingress=[allow("TCP", 80), allow("UDP", Traffic.ALLOWED)]) + host_endpoint("*"))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/22", closed="in:eth0:tcp/443 out:eth0:tcp/443")


JUDGED = {"open": "in:eth0:tcp/80 in:eth0:tcp/22", "closed": "in:eth0:tcp/443 out:eth0:tcp/443"}


@story("T-R1: kill -9 of the daemon and its restart, again and again, let no forbidden packet in and lose no allowed one", measured=True)
def _(node):
    _close(node)
    flow = node.connect("in", "eth0", 80)
    traffic = Traffic(node, rate=10000)
    for _ in range(6):
        node.daemon.end(signal.SIGKILL)
        node.keeps(**JUDGED, seconds=0.1)
        node.start()
        node.expect(flow.echo(), "an open connection was cut")
    traffic.check(at_least=20000)
    node.keeps(**JUDGED, seconds=0.3)


@story("T-R3: SIGTERM ends the daemon with 0 and leaves everything in force", measured=True)
def _(node):
    _close(node)
    traffic = Traffic(node, rate=10000)
    for _ in range(3):
        code = node.daemon.end(signal.SIGTERM)
        node.expect(code == 0, f"the daemon ended with {code}")
        node.keeps(**JUDGED, seconds=0.2)
        node.start()
    traffic.check()


@story("T-R4: without its datastore a daemon keeps what was in force, also one that starts then")
def _(node):
    _close(node)
    hidden = node.manifests + ".away"
    os.rename(node.manifests, hidden)
    wait_until(lambda: node.state()["datastoreError"], "status says that the datastore cannot be read")
    node.keeps(**JUDGED, seconds=0.3)
    node.daemon.end(signal.SIGKILL)
    node.start()
    wait_until(lambda: node.state()["datastoreError"], "status says that the datastore cannot be read")
    node.keeps(**JUDGED, seconds=0.5)
    os.rename(hidden, node.manifests)
    wait_until(lambda: not node.state()["datastoreError"], "the datastore is readable again")
    node.apply(policy("more", ingress=[allow("TCP", 443)]))
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/443")


@story("T-P8: a broken manifest is reported, and what it held before stays in force")
def _(node):
    _close(node)
    path = f"{node.manifests}/by-hand.yaml"
    _write(path, policy("by-hand", ingress=[allow("TCP", 443)]))
    node.sees(open="in:eth0:tcp/443")
    _write(path, "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata:\n  name: by-hand\nspec:\n  ingres: []\n")
    wait_until(lambda: any("by-hand.yaml:6:" in text for text in node.state()["diagnostics"]), "the fault with its place")
    node.keeps(open="in:eth0:tcp/443 in:eth0:tcp/80", closed="in:eth0:tcp/8080", seconds=0.3)
    os.unlink(path)
    node.sees(**JUDGED)


def _write(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


@story("T-R5: policy is replaced 100 times under 100,000 connections a second to closed ports: none gets in, no allowed packet is lost",
       measured=True)
def _(node):
    _close(node)
    flow = node.connect("in", "eth0", 80)
    # Both allow the flow and neither the forbidden ports; all else differs.
    versions = [policy("web", ingress=[allow("TCP", 80), allow("UDP", Traffic.ALLOWED)]),
                policy("web", ingress=[deny("TCP", "1000:1999"), allow("UDP", "4000:6000", source={"nets": ["10.77.0.0/24"]}),
                                       allow("TCP", 80), allow("TCP", 8080)])]
    path = next(f"{node.manifests}/{name}" for name in os.listdir(node.manifests) if "globalnetworkpolicy" in name)
    traffic = Traffic(node, rate=100000)
    first = node.generation()
    for replaced in range(1, 101):
        before = node.generation()
        _write(path, versions[replaced % 2])
        wait_until(lambda: node.generation() != before, f"replacement {replaced} is live")
    node.expect(node.generation() - first >= 100, f"only {node.generation() - first} policies went live")
    offered = traffic.check()
    rate = offered["sent"] / offered["seconds"]
    print(f"100 policies in {offered['seconds']} s under {rate:.0f} connections a second")
    node.expect(flow.echo(), "an open connection was cut")
    node.expect(rate >= 90000, f"only {rate:.0f} connections a second were offered")


@story("T-R9: a hook that another tool takes away is put back within five seconds", links="eth0 eth1")
def _(node):
    _close(node)
    listing = json.loads(node.node.exec("bpftool", "-j", "net", "show").stdout)[0]["tc"]
    links = [row["link_id"] for row in listing if row.get("devname") == "eth0" and "link_id" in row]
    node.expect(links, f"no tcx link on eth0: {listing}")
    for link in links:
        node.node.exec("bpftool", "link", "detach", "id", str(link))
    node.sees(**JUDGED, within=5)
    node.daemon.end()
    node.start("--force-clsact")
    node.node.exec("tc", "qdisc", "del", "dev", "eth0", "clsact", check=False)
    node.sees(**JUDGED, within=5)


@story("clsact instead of tcx judges alike, and a hook that another tool deletes is put back")
def _(node):
    node.start("--force-clsact")
    node.apply(policy("web", ingress=[allow("TCP", 80)]) + host_endpoint("*"))
    node.sees(**JUDGED)
    node.expect("clsact" in node.nodewall("status").stdout, "status does not show clsact")
    node.node.exec("tc", "qdisc", "del", "dev", "eth0", "clsact")
    node.sees(**JUDGED, within=5)


@story("nothing of what libbpf would print reaches the daemon's log")
def _(node):
    for options in ([], ["--force-clsact"]):
        node.start(*options)
        node.apply(host_endpoint("eth0"))
        node.wait_governed("eth0", "eth0")
        node.delete("hep", "eth0")
        node.wait_governed("eth0", "")
        node.daemon.end()
    node.expect("libbpf" not in node.daemon.log(), "libbpf printed")
    node.expect(all("nodewalld" in line for line in node.daemon.log().splitlines()), "something that is not the daemon's is in its log")


@story("a daemon whose node has no possible name does not start, and says what to do")
def _(node):
    started = node.node.exec(f"{node.binaries}/nodewalld", "--node", "My_Host", check=False, env=node.environment)
    node.expect(started.returncode != 0 and "--node NAME" in started.stderr, f"it said {started.stderr!r}")
    node.expect(not node.state(), "it got as far as its state file")


@story("T-Z6: disarm works with the daemon dead, and holds through restarts until arm")
def _(node):
    _close(node)
    node.daemon.end(signal.SIGKILL)
    node.keeps(**JUDGED, seconds=0.2)
    node.nodewall("disarm", "--yes")
    everything = "in:eth0:tcp/443 in:eth0:tcp/80 out:eth0:tcp/443 in:eth0:icmp"
    node.sees(open=everything)
    for _ in range(2):
        node.start()
        node.keeps(open=everything, seconds=0.5)
        node.expect("DISARMED" in node.nodewall("status").stdout, "status does not say DISARMED")
        node.daemon.end()
    node.start()
    node.nodewall("arm")
    node.sees(**JUDGED)
    node.nodewall("disarm", "--yes")
    node.sees(open=everything)


@story("T-C7: connections that are open when a node is closed for the first time go on")
def _(node):
    flows = {"in by IPv4": node.connect("in", "eth0", 8080), "in by IPv6": node.connect("in", "eth0", 8080, 6),
             "out by IPv4": node.connect("out", "eth0", 9090), "out by IPv6": node.connect("out", "eth0", 9090, 6)}
    for flow in flows.values():
        flow.echo()
    node.start()
    node.apply(host_endpoint("*"))
    node.sees(closed="in:eth0:tcp/8080 out:eth0:tcp/9090 in:eth0:icmp")
    for _ in range(5):
        for name, flow in flows.items():
            node.expect(flow.echo(), f"the connection {name} was cut")


@story("a second daemon in the network namespace is refused")
def _(node):
    _close(node)
    try:
        node.node.exec(f"{node.binaries}/nodewalld", "--node", "node1", env=node.environment)
    except CommandFailed:
        node.keeps(**JUDGED, seconds=0.2)
        return
    node.expect(False, "a second daemon started")


@story("T-R6: an interface that is created and set up under a wildcard is closed within 20 ms", measured=True)
def _(node):
    node.start()
    node.apply(host_endpoint("*"))
    node.sees(closed="in:eth0:udp/5000")
    receiver = node.node.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("", 6000))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver.setblocking(False)
    open_ms = []
    for number in range(9):
        # Both ends are up from the start as nearly as can be: the node's is made so, and the generator polls for the other one, sets it up
        # and sends.
        flood = node.flood(f"new{number}", wait=True, protocol="udp", dport=6000, dst="10.77.0.2", rate=20000, seconds=0.5)
        time.sleep(0.05)
        node.node.ip(f"link add up name new{number} address 02:77:00:00:09:02 type veth peer name c-new{number} address 02:77:00:00:09:01"
                     f" netns {node.client.name}")
        sent = flood.wait()
        seen_ns = sent["seen_ns"]
        node.expect(sent["sent"] > 5000, f"the generator sent only {sent}")
        node.wait_governed(f"new{number}", "wildcard")
        last_ns, count = seen_ns, 0
        while True:
            try:
                sent_ns = struct.unpack("QQ", receiver.recv(64))[1]
            except BlockingIOError:
                break
            last_ns, count = max(last_ns, sent_ns), count + 1
        open_ms.append((last_ns - seen_ns) / 1e6)
        print(f"new{number}: open for {open_ms[-1]:.2f} ms after it appeared, {count} packets came in")
        node.client.ip(f"link del c-new{number}")
    open_ms.sort()
    print(f"median {open_ms[4]:.2f} ms, most {open_ms[-1]:.2f} ms")
    node.expect(open_ms[4] < 20, f"the median of {open_ms} ms is not below 20 ms")


@story("trace answers for the node that the daemon serves, when no other is asked for")
def _(node):
    node.start("--node", "renamed")
    node.apply(host_endpoint("eth0", node="renamed"))
    node.wait_governed("eth0", "eth0")
    answer = node.nodewall("trace", "--engine", "oracle", "--interface", "eth0", "--direction", "ingress", "--src", "10.77.0.1",
                           "--dst", "10.77.0.2", "--protocol", "TCP", "--dport", "80").stdout
    node.expect("no_profile" in answer, f"not the answer of the endpoint that governs: {answer}")
