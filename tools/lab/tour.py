"""The tour of tools/quickstart: a node in namespaces, closed step by step as the page on protecting nodes has it.

Every table is measured with real packets, and what it must show is known: a difference is marked, and the tour then ends with 1.
"""
import os
import signal
import sys
import time

from namespace import sweep
from node import NODE_NAME, CommandFailed, Lab, TimedOut, wait_until
from probe import CLOSED, OPEN

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
COLUMNS = ("eth0", "eth1", "br0", "cali1234")
ROWS = (  # what, label, failsafe port
    ("in", "tcp/22", "ssh to the node", True),
    ("in", "tcp/80", "web server of the node", False),
    ("in", "tcp/8080", "another server of the node", False),
    ("in", "udp/5000", "a UDP service of the node", False),
    ("in", "icmp", "ping the node", False),
    ("out", "tcp/443", "the node calls out", False),
    ("out", "udp/53", "the node asks DNS", True),
)
COLOURS = {OPEN: "32", CLOSED: "31", "bold": "1", "dim": "2"}

WEB_ONLY = """apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: only-web
spec:
  selector: has(kubernetes.io/hostname)
  types: [Ingress]
  ingress:
    - action: Allow
      protocol: TCP
      destination:
        ports: [80]
"""
NAMED = f"""apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata:
  name: management
  labels:
    network: management
spec:
  node: {NODE_NAME}
  interfaceName: eth1
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: no-management
spec:
  selector: network == 'management'
  types: [Ingress, Egress]
  ingress:
    - action: Deny
  egress:
    - action: Deny
"""


def paint(text, colour):
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if sys.stdout.isatty() else text


class Tour:
    def __init__(self, lab):
        self.lab = lab
        self.before = {}
        self.differences = 0
        self._step = 0

    def head(self, title, *lines):
        self._step += 1
        print("\n" + paint(f"{self._step}. {title}", "bold"))
        self.say(*lines)

    @staticmethod
    def say(*lines):
        for line in lines:
            print(line)

    def command(self, line, text_in=None, fails=False, show=True, most=40):
        """Runs `nodewall LINE`; `line` may end in `< file` or `> file`, for the eye."""
        print(paint(f"$ nodewall {line}", "bold"))
        arguments = line.split(" < ")[0].split(" > ")[0].split()
        done = self.lab.nodewall(*arguments, text_in=text_in, check=False)
        text = (done.stdout + done.stderr).strip().splitlines()
        if show:
            self.say(*("  " + row for row in text[:most]), *(["  ..."] if len(text) > most else []))
        if (done.returncode != 0) != fails:
            raise CommandFailed(f"`nodewall {line}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def manifest(self, text):
        self.say(*(paint("  | " + line, "dim") for line in text.strip().splitlines() if not line.startswith("#")))

    def table(self, closed):
        """Asks every row on every interface, both families; `closed(column, row)` says what must be seen."""
        cells = {(column, row): f"{row[0]}:{column}:{row[1]}" for column in COLUMNS for row in ROWS}
        wanted = {spec: CLOSED if closed(column, row) else OPEN for (column, row), spec in cells.items()}
        wanted["via:eth0:tcp/80"] = OPEN
        deadline = time.monotonic() + 3
        while (seen := self.lab.ask(wanted)) != wanted and time.monotonic() < deadline:
            pass
        self._print(cells, wanted, seen)
        self.before = seen

    def _print(self, cells, wanted, seen):
        width = 15
        print("  " + f"{'':40}" + "".join(f"{column:{width}}" for column in COLUMNS))
        for row in ROWS:
            way = "->" if row[0] == "in" else "<-"
            line = f"  {way} {row[1]:9}{row[2]:28}"
            for column in COLUMNS:
                line += self._cell(cells[column, row], wanted, seen, width)
            print(line)
        print(f"  -> {'tcp/80':9}{'through, to the pod':28}" + self._cell("via:eth0:tcp/80", wanted, seen, width))

    def _cell(self, spec, wanted, seen, width):
        now, before = seen[spec], self.before.get(spec, seen[spec])
        text = now if now == before else f"{before} > {now}"
        if now != wanted[spec]:
            self.differences += 1
            text += f" (should be {wanted[spec]})"
        return paint(text, now if now in COLOURS else "bold") + " " * max(1, width - len(text))


def nothing(_column, _row):
    return False


def only_web(column, row):
    return column != "cali1234" and row[0] == "in" and not row[3] and row[1] != "tcp/80"


def with_management(column, row):
    return not row[3] if column == "eth1" else only_web(column, row)


def introduce(tour):
    tour.say("", "A node in network namespaces of its own. Nothing of this machine is touched.", "",
             "     client ----- eth0 -+", "     client ----- eth1 -+  node  +- cali1234 ----- pod",
             "     client ----- br0  -+", "",
             "Each table below is measured: real TCP, UDP and ICMP, IPv4 and IPv6, a time-out of 0.3 s.")


def follow_the_page(tour):
    lab = tour.lab
    tour.head("Nothing is enforced yet",
              "The daemon watches a directory of manifests. It is empty, so every interface is left open.")
    print(paint(f"$ nodewalld --node {NODE_NAME} &", "bold"))
    lab.start()
    tour.table(nothing)

    tour.head("Policy first: allow everything", "The page begins so: a host endpoint without policy would close the node at once.")
    with open(f"{EXAMPLES}/protect-nodes/allow-all.yaml") as file:
        text = file.read()
    tour.manifest(text)
    tour.command("apply -f - < allow-all.yaml", text_in=text)

    tour.head("Enable automatic host endpoints", "The configuration that is in force, to be edited:")
    exported = tour.command("get kubecontrollersconfiguration default --export -oyaml > kcc.yaml", show=False)
    tour.manifest(exported)
    tour.say("", "The page's own edit has `hostEndpoint` one level too deep. It is refused, with its place, and nothing is changed:")
    with open(f"{EXAMPLES}/protect-nodes/mis-indented.yaml") as file:
        tour.command("apply -f - < kcc.yaml", text_in=file.read(), fails=True)
    tour.say("So is `autoCreate: true`, which the page's text asks for:")
    with open(f"{EXAMPLES}/protect-nodes/auto-host-endpoints.yaml") as file:
        text = file.read()
    tour.command("apply -f - < kcc.yaml", text_in=text.replace("Enabled\n", "true\n").replace("syncLabels: true", "syncLabels: Enabled"), fails=True)
    tour.say("As it was meant:")
    tour.command("apply -f - < kcc.yaml", text_in=text)
    for link in ("eth0", "eth1", "br0"):
        lab.wait_governed(link, f"{NODE_NAME}-auto-hep")
    tour.command("get heps -owide")
    tour.say("", "Every interface that is not a workload's has a host endpoint now. All is open as before: the policy allows it.")
    tour.table(nothing)


def close_the_node(tour):
    tour.head("Close the node", "A policy that allows the web server alone takes the place of the one that allows everything.")
    tour.manifest(WEB_ONLY)
    _apply(tour, "only-web.yaml", WEB_ONLY)
    tour.command("delete gnp allow-all-heps")
    tour.table(only_web)
    tour.say("", "SSH stays open although no rule allows it: port 22 is a failsafe port. Egress is open by the endpoint's profile. The pod's",
             "interface and what the node forwards are not the host's own traffic: left alone.")

    tour.head("A host endpoint for one interface", "It replaces the wildcard there. This one denies both directions.")
    tour.manifest(NAMED)
    _apply(tour, "management.yaml", NAMED)
    tour.table(with_management)


def _apply(tour, name, text):
    path = f"{tour.lab.directory}/{name}"
    with open(path, "w") as file:
        file.write(text)
    print(paint(f"$ nodewall apply -f {name}", "bold"))
    print("  " + tour.lab.nodewall("apply", "-f", path).stdout.strip())


def stand_firm(tour):
    lab = tour.lab
    tour.head("An interface that appears is closed at once")
    started = time.monotonic()
    lab.add_link("wlan0")
    made = time.monotonic()
    lab.wait_governed("wlan0", f"{NODE_NAME}-auto-hep")
    took = (time.monotonic() - made) * 1000
    print(paint("$ ip link add wlan0 ...; ip link set wlan0 up", "bold"))
    tour.say(f"  governed {took:.1f} ms after the last of these commands returned ({(time.monotonic() - started) * 1000:.1f} ms after the first began)")
    # Its hooks may be there a few milliseconds before the daemon has learnt of its addresses.
    wait_until(lambda: lab.ask(["in:wlan0:tcp/8080"])["in:wlan0:tcp/8080"] == CLOSED, "wlan0 is closed", within=2)
    seen = lab.ask(["in:wlan0:tcp/80", "in:wlan0:tcp/8080", "in:wlan0:tcp/22"])
    tour.say(*(f"  {spec.split(':')[2]:9} {paint(answer, answer if answer in COLOURS else 'bold')}" for spec, answer in seen.items()))
    tour.differences += list(seen.values()) != [OPEN, CLOSED, OPEN]

    tour.head("The daemon dies: nothing opens", "What is enforced is in the kernel, pinned. A new daemon takes it over.")
    print(paint(f"$ kill -9 {lab.daemon.process.pid}", "bold"))
    lab.daemon.end(signal.SIGKILL)
    tour.table(with_management)
    lab.start()

    tour.head("What is enforced, and why")
    tour.command("status")
    tour.say("", "Who decides about a packet? The rules one by one, the compiled tables and the real program are asked, and must agree:")
    tour.command("trace --interface eth0 --direction ingress --src 10.77.0.1 --dst 10.77.0.2 --protocol TCP --dport 80")
    tour.command("trace --interface eth1 --direction egress --src 10.77.1.2 --dst 10.77.1.1 --protocol TCP --dport 443")
    tour.command("trace --interface eth0 --direction ingress --src 10.77.0.1 --dst 10.77.0.2 --protocol TCP --dport 22")

    tour.head("The way back", "One command takes everything off. It works with the daemon dead, and holds until `nodewall arm`.")
    tour.command("disarm --yes")
    tour.table(nothing)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    # A shell that starts this in the background has it ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    sweep()
    try:
        with Lab(sys.argv[1], links=("eth0", "eth1", "br0"), pod=True) as lab:
            tour = Tour(lab)
            introduce(tour)
            follow_the_page(tour)
            close_the_node(tour)
            stand_firm(tour)
    except KeyboardInterrupt:
        print("\nstopped; everything is cleaned up")
        return 130
    except (CommandFailed, TimedOut) as problem:
        print(f"\ntools/quickstart: {problem}", file=sys.stderr)
        return 1
    print(f"\nThat was {time.monotonic() - started:.0f} seconds. The namespaces are gone.")
    if tour.differences:
        print(f"tools/quickstart: {tour.differences} of the answers not as it should be", file=sys.stderr)
        return 1
    print("Next: README.md closes a real node in steps, `tools/quickstart --host` does it here, docs/semantics.md says what policy means.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
