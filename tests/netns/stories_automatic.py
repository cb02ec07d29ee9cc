"""Automatic host endpoints, and the page that this project was begun for."""
import json
import os

from story import NODE_NAME, allow, host_endpoint, manifest, policy, story, wait_until

AUTOMATIC = f"{NODE_NAME}-auto-hep"
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/protect-nodes")


def _controllers(auto_create):
    return manifest("KubeControllersConfiguration", "default", {"controllers": {"node": {"hostEndpoint": {"autoCreate": auto_create}}}})


def _endpoint(node, name=AUTOMATIC):
    """The object, or nothing."""
    done = node.nodewall("get", "hep", name, "-o", "json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


@story("an automatic host endpoint: all is open until policy selects it, on every interface", links="eth0 eth1 br0", pod=True)
def _(node):
    node.start()
    node.apply(_controllers("Enabled"))
    for link in ("eth0", "eth1", "br0"):
        node.wait_governed(link, AUTOMATIC)
    node.sees(open="in:eth0:tcp/80 in:eth1:icmp out:br0:tcp/443 via:eth0:tcp/80")
    node.apply(policy("web", "has(kubernetes.io/hostname)", ingress=[allow("TCP", 80)]))
    node.sees(open="in:eth0:tcp/80 in:eth1:tcp/80 in:br0:tcp/80 in:eth0:tcp/22 out:eth0:tcp/443 in:cali1234:tcp/443 via:eth0:tcp/443",
              closed="in:eth0:tcp/443 in:eth1:icmp in:br0:udp/5000")


@story("case 23: an edited label of an automatic host endpoint is reverted, edited profiles are kept")
def _(node):
    node.start()
    node.apply(_controllers("Enabled"))
    wait_until(lambda: _endpoint(node), "the automatic host endpoint")
    node.nodewall("label", "hep", AUTOMATIC, "kubernetes.io/hostname=other", "--overwrite")
    wait_until(lambda: _endpoint(node)["metadata"]["labels"]["kubernetes.io/hostname"] == NODE_NAME, "the label is reverted")
    node.sees(open="in:eth0:tcp/80")
    node.nodewall("patch", "hep", AUTOMATIC, "-p", '{"spec": {"profiles": []}}')
    node.sees(open="in:eth0:tcp/22", closed="in:eth0:tcp/80")
    node.keeps(closed="in:eth0:tcp/80", seconds=1)
    node.expect(not _endpoint(node)["spec"].get("profiles"), "the profiles were put back")


@story("case 24: autoCreate Disabled deletes the automatic host endpoints and no other", links="eth0 eth1")
def _(node):
    node.start()
    node.apply(_controllers("Enabled") + host_endpoint("eth1", name="mine"))
    node.wait_governed("eth0", AUTOMATIC)
    node.wait_governed("eth1", "mine")
    node.apply(_controllers("Disabled"))
    node.wait_governed("eth0", "")
    node.wait_governed("eth1", "mine")
    node.expect(not _endpoint(node), "the automatic host endpoint is still there")
    node.expect(_endpoint(node, "mine"), "a person's host endpoint was deleted")
    node.sees(open="in:eth0:tcp/80", closed="in:eth1:tcp/80")


@story("case 25: get heps -owide has calicoctl's columns")
def _(node):
    node.start()
    node.apply(_controllers("Enabled"))
    wait_until(lambda: _endpoint(node), "the automatic host endpoint")
    rows = [line.split() for line in node.nodewall("get", "heps", "-owide").stdout.splitlines() if line.strip()]
    node.expect(rows[0] == ["NAME", "NODE", "INTERFACE", "IPS", "PROFILES"], f"the columns are {rows[0]}")
    node.expect(len(rows) == 2 and rows[1][:3] == [AUTOMATIC, NODE_NAME, "*"], f"the rows are {rows[1:]}")
    node.expect("10.77.0.2" in rows[1][3].split(","), f"10.77.0.2 is not among {rows[1][3]}")


@story("the page, from top to bottom: allow all, then automatic host endpoints, and its two mistakes are refused", links="eth0 eth1", pod=True)
def _(node):
    node.start()
    node.nodewall("apply", "-f", f"{EXAMPLES}/allow-all.yaml")
    exported = node.nodewall("get", "kubecontrollersconfiguration", "default", "--export", "-oyaml").stdout
    node.expect("autoCreate: Disabled" in exported and "creationTimestamp: null" in exported, f"the export is:\n{exported}")
    before = _configuration(node)
    with open(f"{EXAMPLES}/mis-indented.yaml") as file:
        node.refuses("apply", "-f", "-", text_in=file.read(), saying=":14:21: ")
    node.refuses("apply", "-f", "-", text_in=_controllers(True), saying="use Enabled or Disabled")
    node.expect(_configuration(node) == before, "a refused manifest changed something")
    node.keeps(open="in:eth0:tcp/80", seconds=0.3)
    node.nodewall("apply", "-f", f"{EXAMPLES}/auto-host-endpoints.yaml")
    for link in ("eth0", "eth1"):
        node.wait_governed(link, AUTOMATIC)
    node.keeps(open="in:eth0:tcp/80 in:eth1:udp/5000 out:eth0:tcp/443 out:eth1:icmp via:eth0:tcp/80", seconds=0.3)
    node.expect(AUTOMATIC in node.nodewall("get", "heps", "-owide").stdout, "no automatic host endpoint in the list")


def _configuration(node):
    return json.loads(node.nodewall("get", "kubecontrollersconfiguration", "default", "-o", "json").stdout)["spec"]
