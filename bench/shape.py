#!/usr/bin/env python3
"""The shape of a packet's cost: it does not grow with the policy, and stays within reach of a program that does nothing.

    shape.py NODEWALL-BENCH     measures; exit 1 when the shape is broken in three measurements one after the other, when a packet reads more of a large
                                policy than of a small one, or when `node` and the programs written by hand have not all their rows

The margins are far from what is measured on an idle machine (bench/README.md): what crosses them three times is no noise. Needs root.
"""
import json
import os
import subprocess
import sys

MOST_GROWTH = 1.7      # dearest over cheapest packet, over the sizes of one scenario
MOST_GROWTH_COLD = 6   # the same in test runs of 65,536 packets in turn: a large policy is not in the caches, all the less beside other work
LEAST_SHARE = 0.06     # of the rate of an empty XDP program, on the wire; it does not even read the frame, which costs as much again
MOST_TIMES = 9         # the cost of an empty XDP program, in test runs of one packet again and again
MOST_COUNTERS = (1 << 20) * (os.cpu_count() or 1)  # bytes of nw_counter with some twenty interfaces
MOST_LINES = {("acl", 4): 9.5, ("set", 4): 8, ("acl", 6): 15, ("set", 6): 14}  # of the image, a packet, with 10,000 rules and 100,000 members
TRIES = 3
SCENARIOS = 5          # acl and set by test run, each cycled and hot; acl over a veth pair
COMMON = ["--families", "4", "--traffic", "denied-tcp", "--json", "--quiet"]  # of one protocol: a packet alone has the same at all sizes
RUNS = (
    ["datapath", "--workloads", "acl", "set", "--sizes", "10", "10000", "--set-sizes", "100", "100000", "--engines", "nodewall-xdp",
     "--rounds", "1", "--milliseconds", "20"],
    ["pktrate", "--workloads", "acl", "--sizes", "10", "10000", "--engines", "empty-xdp", "nodewall-xdp", "--rounds", "3",
     "--milliseconds", "200"],
)


def rows(bench):
    for run in RUNS:
        answer = subprocess.run([bench, *run, *COMMON], stdout=subprocess.PIPE, check=True, timeout=600)
        for row in json.loads(answer.stdout)["rows"]:
            yield {**row, "command": run[0]}


def faults(measured):
    """What is wrong, in words; and one line for each scenario that was looked at."""
    wrong, seen = [], []
    cost, empty = {}, {}
    for row in measured:
        if row["unit"] == "ns/packet" and row["what"].startswith("denied"):
            # The best of a run: what disturbs a measurement only ever makes it dearer.
            known = cost if row["engine"].startswith("nodewall-") else empty
            known.setdefault((row["command"], row["scenario"], row["what"]), {})[row["size"]] = row["min"]
        if row["unit"] == "of empty-xdp":
            line = f"{row['engine']}, {row['scenario']} of {row['size']}: {row['value']:.2f} of the empty program"
            (wrong if row["value"] < LEAST_SHARE else seen).append(line)
    for (command, scenario, what), by_size in cost.items():
        growth = max(by_size.values()) / min(by_size.values())
        most = MOST_GROWTH_COLD if command == "datapath" and not what.endswith("-hot") else MOST_GROWTH
        line = f"{command}, {what}, {scenario}: " + ", ".join(f"{size}: {ns:.0f} ns" for size, ns in sorted(by_size.items()))
        (wrong if growth > most or len(by_size) < 2 else seen).append(f"{line}; grows {growth:.2f} times")
        if what.endswith("-hot"):
            times = max(by_size.values()) / min(empty[command, scenario, what].values())
            line = f"{command}, {what}, {scenario}: {times:.1f} times the empty program"
            (wrong if times > MOST_TIMES else seen).append(line)
    if len(cost) < SCENARIOS:
        wrong.append(f"only {len(cost)} of {SCENARIOS} scenarios were measured")
    return wrong, seen


def node_faults(bench):
    """Of the whole engine: each change has its rows, and a processor has counters for the interfaces that there are only."""
    answer = subprocess.run([bench, "node", "--workloads", "acl", "set", "--sizes", "100", "--set-sizes", "100", "--rounds", "1", "--quick", "--quiet", "--json"],
                            stdout=subprocess.PIPE, check=True, timeout=600)
    values = {(row["scenario"], row["what"]): row["value"] for row in json.loads(answer.stdout)["rows"]}
    wanted = {"acl": ("start", "apply-edit", "apply-policy", "apply-interface", "memory-nw_policy"),
              "set": ("start", "apply-member", "apply-interface", "memory-nw_policy")}
    wrong = [f"node, {scenario}: no row {what}" for scenario, rows_of in wanted.items() for what in rows_of if not values.get((scenario, what))]
    counters = values.get(("acl", "memory-nw_counter"), MOST_COUNTERS)
    if counters >= MOST_COUNTERS:
        wrong.append(f"node: counters of interfaces take {counters:.0f} bytes")
    return wrong


def stateless_faults(bench):
    """Of the programs written by hand: the bench shows the verdict of each, and times it."""
    wanted = {("xdp-list", "acl", 4), ("xdp-list", "fw", 4), ("xdp-trie", "set", 4), ("xdp-trie", "set", 6)}
    answer = subprocess.run([bench, "pktrate", "--workloads", "acl", "fw", "set", "--sizes", "100", "--set-sizes", "100", "--engines", "xdp-list", "xdp-trie", "--families", "4", "6",
                             "--traffic", "denied", "last", "--rounds", "1", "--milliseconds", "20", "--json", "--quiet"], stdout=subprocess.PIPE, check=True, timeout=600)
    found = {(row["engine"], row["scenario"], row["family"], row["what"]) for row in json.loads(answer.stdout)["rows"]}
    return [f"pktrate: no row of {engine}, {scenario}, IPv{family}, {what}" for engine, scenario, family in sorted(wanted) for what in ("denied", "last")
            if (engine, scenario, family, what) not in found]


def line_faults(bench):
    """A count: the same on every machine."""
    answer = subprocess.run([bench, "lines", "--workloads", "acl", "set", "--sizes", "10000", "--set-sizes", "100000", "--families", "4", "6", "--json",
                             "--quiet"], stdout=subprocess.PIPE, check=True, timeout=600)
    found = {(row["scenario"], row["family"]): row["value"] for row in json.loads(answer.stdout)["rows"] if row["unit"] == "lines/packet"}
    return [f"a packet reads {found.get(key)} lines of the image: {key[0]}, IPv{key[1]}, at most {most}" for key, most in MOST_LINES.items()
            if not 1 <= found.get(key, 0) <= most]


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if wrong := line_faults(sys.argv[1]) + node_faults(sys.argv[1]) + stateless_faults(sys.argv[1]):
        print(*(f"BROKEN: {line}" for line in wrong), sep="\n")
        return 1
    for attempt in range(TRIES):
        wrong, seen = faults(list(rows(sys.argv[1])))
        print(f"measurement {attempt + 1}", *seen, *(f"BROKEN: {line}" for line in wrong), sep="\n  ")
        if not wrong:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
