"""The daemon as a process: who may talk to it, what it may do, when it is ready."""
import os
import re
import signal
import socket

from story import allow, host_endpoint, policy, story, wait_until

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/nodewalld.service")
TABLES = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix", "packet", "netlink")
CLOSED = {"open": "in:eth0:tcp/80 in:eth0:tcp/22", "closed": "in:eth0:tcp/443 out:eth0:tcp/443"}


def _close(node):
    node.apply(host_endpoint("*") + policy("web", ingress=[allow("TCP", 80)]))
    node.sees(**CLOSED)


def _unit(name):
    """The values of a setting in the service's unit."""
    with open(UNIT) as file:
        return [value for line in re.findall(rf"^{name}=(.*)$", file.read(), flags=re.M) for value in line.split()]


@story("T-X1: the daemon has no socket that anybody could talk to, and its files are root's alone")
def _(node):
    node.start()
    _close(node)
    with node.node.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound, node.node.socket(socket.AF_UNIX, socket.SOCK_STREAM):
        bound.bind(("127.0.0.1", 0))
        ours = _kinds_of_sockets(os.getpid(), f"/proc/{node.daemon.process.pid}/net")
        node.expect({"udp", "unix"} <= ours, f"of this test's own sockets only {ours} are found")
    found = _kinds_of_sockets(node.daemon.process.pid)
    node.expect(found == {"netlink"}, f"the daemon has sockets in {found}")

    for path in ("run", "run/state.json", "state"):
        mode = os.stat(f"{node.directory}/{path}").st_mode & 0o777
        node.expect(mode & 0o022 == 0, f"{path} may be written by others: {mode:o}")
    node.expect(os.stat(f"{node.directory}/run").st_mode & 0o077 == 0, "the run directory is open to others")


def _kinds_of_sockets(pid, tables=None):
    """The tables of /proc/PID/net that the process's sockets are in."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if os.path.exists(f"/proc/{pid}/fd/{fd}")]
    found = set()
    for inode in (match[1] for match in (re.fullmatch(r"socket:\[(\d+)\]", link) for link in links) if match):
        found |= {table for table in TABLES if inode in _words(f"{tables or f'/proc/{pid}/net'}/{table}")} or {"no table"}
    return found


def _words(path):
    with open(path) as file:
        return set(file.read().split())


@story("T-X1: somebody who is not root can neither disarm the node nor read what it enforces")
def _(node):
    node.start()
    _close(node)
    for command in (["disarm", "--yes"], ["arm"], ["show", "policy"], ["verify"]):
        done = node.node.exec("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", f"{node.binaries}/nodewall",
                              *command, check=False, env=node.environment)
        node.expect(done.returncode != 0, f"{command} was done for anybody: {done.stdout}")
        node.expect(done.stderr.strip(), f"{command} failed and said nothing")
    node.keeps(**CLOSED, seconds=0.3)


def _status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)


BITS = {"CAP_BPF": 39, "CAP_NET_ADMIN": 12, "CAP_PERFMON": 38}


@story("T-X2: with the unit's privileges the daemon closes the node, keeps three of them, and can get no more")
def _(node):
    bounding = _unit("CapabilityBoundingSet")
    node.expect("CAP_SYS_ADMIN" in bounding and len(bounding) == 5, f"the unit gives {bounding}")
    node.expect(_unit("NoNewPrivileges") == ["yes"], "the unit lets the daemon get new privileges")
    plus = ",".join("+" + name.removeprefix("CAP_").lower() for name in bounding)
    node.start(before=["setpriv", "--bounding-set", f"-all,{plus}", "--no-new-privs"])
    _close(node)
    node.add_link("eth1")
    node.wait_governed("eth1", "wildcard")
    node.sees(open="in:eth1:tcp/80", closed="in:eth1:tcp/443")
    status = _status_of(node.daemon.process.pid)
    wanted = sum(1 << bit for bit in BITS.values())
    for name in ("CapEff", "CapPrm", "CapBnd"):
        node.expect(int(status[name], 16) == wanted, f"{name} is {status[name]}, not {wanted:016x}")
    for name in ("CapInh", "CapAmb"):
        node.expect(int(status[name], 16) == 0, f"{name} is {status[name]}")
    node.expect(status["NoNewPrivs"].strip() == "1", "it can get new privileges")


@story("T-R10: the unit comes before the networks, and the daemon is ready when policy is in force and not before")
def _(node):
    node.expect("network-pre.target" in _unit("Before") and _unit("Type") == ["notify"], "networks do not wait for policy")
    node.start()
    _close(node)
    node.daemon.end(signal.SIGKILL)
    node.nodewall("disarm", "--yes")
    node.sees(open="in:eth0:tcp/443")
    os.unlink(f"{node.directory}/run/disarmed")
    # As after a boot: nothing is enforced yet. What is asked the moment READY comes must be judged already.
    path = f"{node.directory}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(20)
        node.environment["NOTIFY_SOCKET"] = path
        node.launch()
        node.expect(listener.recv(256) == b"READY=1", "its first word is another one")
        answers = node.ask(["in:eth0:tcp/443", "out:eth0:tcp/443", "in:eth0:tcp/80"])
        node.expect(answers == {"in:eth0:tcp/443": "closed", "out:eth0:tcp/443": "closed", "in:eth0:tcp/80": "open"},
                    f"when it said READY the node was not closed: {answers}")


@story("T-X9: hostile names of interfaces and files are escaped in the daemon's log, its state and what is shown of it")
def _(node):
    node.start()
    _close(node)
    node.node.ip("link add name \x1b[31m\x07x type veth peer name other", "link set \x1b[31m\x07x up")
    for name in ("red\x1b[31m.yaml", "two\nnodewalld: all is well.yaml"):
        with open(f"{node.manifests}/{name}", "w") as file:
            file.write("apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: 'a\x1bb'}\n")
        os.chmod(f"{node.manifests}/{name}", 0o644)
    wait_until(lambda: len(node.state()["diagnostics"]) >= 2, "both files are complained of")
    wait_until(lambda: any("[31m" in entry["name"] for entry in node.state()["interfaces"]), "the interface is known")
    with open(f"{node.directory}/run/state.json") as file:
        _clean(node, file.read(), "the state file")
    for command in (["status"], ["status", "-j"], ["show", "interfaces"], ["show", "counters"], ["show", "policy"], ["show", "counters", "-j"]):
        done = node.nodewall(*command, check=False)
        _clean(node, done.stdout + done.stderr, " ".join(command))
        node.expect(not any(line.startswith("nodewalld: all is well") for line in done.stdout.splitlines()), f"{command} printed a line of theirs")
    _clean(node, node.daemon.log(), "the log")
    node.expect(all(line.startswith("[20") for line in node.daemon.log().splitlines()), "a line of the log is not the daemon's")


def _clean(node, text, where):
    bad = sorted({character for character in text if character < " " and character != "\n" or character == "\x7f"})
    node.expect(not bad, f"{bad} in {where}")


@story("T-L3: a file of labels that others may write does not count, and says so")
def _(node):
    labels = f"{node.directory}/labels"

    def write(text, mode):
        with open(labels, "w") as file:
            file.write(text)
        os.chmod(labels, mode)

    def refused(why):
        started = node.node.exec(f"{node.binaries}/nodewalld", "--once", "--labels-file", labels, check=False, env=node.environment)
        node.expect(started.returncode != 0 and why in started.stderr, f"it said {started.stderr!r}")

    write("zone=open\n", 0o666)
    refused("can be written by others")
    os.rename(labels, labels + ".true")
    os.symlink(labels + ".true", labels)
    refused(labels)
    os.unlink(labels)

    write("zone=closed\n", 0o644)
    node.start("--labels-file", labels)
    node.apply('---\n{"apiVersion":"projectcalico.org/v3","kind":"KubeControllersConfiguration","metadata":{"name":"default"},'
               '"spec":{"controllers":{"node":{"hostEndpoint":{"autoCreate":"Enabled"}}}}}\n'
               + policy("open", "zone == 'open'", order=1, ingress=[allow("TCP")]) + policy("rest", "all()", order=2, ingress=[allow("TCP", 80)]))
    node.sees(open="in:eth0:tcp/80", closed="in:eth0:tcp/443")
    write("zone=open\n", 0o666)
    node.daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "can be written by others" in node.daemon.log(), "the refusal is said")
    node.keeps(open="in:eth0:tcp/80", closed="in:eth0:tcp/443", seconds=0.5)
    os.chmod(labels, 0o644)
    node.daemon.process.send_signal(signal.SIGHUP)
    node.sees(open="in:eth0:tcp/80 in:eth0:tcp/443")
