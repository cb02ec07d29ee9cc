#!/usr/bin/env python3
"""Every program on every kernel: what the verifier says, and what becomes of real packets.

    matrix.py --binaries build/bin [--kernel NAME]... [--story NAME]... [--only programs|packets] [--json] [--update]
"""
import argparse
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import inside  # noqa: E402
import machine  # noqa: E402
import packages  # noqa: E402

RUNNING = "running"
STORIES = "every kernel: "  # what the names of their stories begin with


def _stories(own_machine):
    """What every kernel must tell, and what only a machine of its own can."""
    sys.path.insert(0, f"{machine.REPOSITORY}/tests/netns")
    import run
    import story
    run.load()
    return [name for name, entry in story.STORIES.items() if name.startswith(STORIES) or (own_machine and entry.kind == "machine")]


def examine(name, arguments, asked):
    """One row of the matrix; a row with `broken` says why there is none."""
    started = time.monotonic()
    row = {"kernel": name, "release": "", "package": ""}
    try:
        if name == RUNNING:
            if os.geteuid() != 0:
                raise machine.Broken("the running kernel takes programs from root only")
            if asked["programs"] is not None:
                asked = asked | {"programs": ["--every"]}
            row |= inside.gathered(inside.examine(os.path.abspath(arguments.binaries), machine.REPOSITORY, **asked)) | {"complete": True}
        else:
            kernel = packages.fetch(packages.KERNELS[name], arguments.cache, arguments.update)
            row |= {"release": kernel.release, "package": kernel.package}
            row |= machine.examine(kernel, os.path.abspath(arguments.binaries), asked, arguments.seconds)
    except (packages.Unavailable, machine.Broken) as problem:
        row["broken"] = str(problem)
    row["seconds"] = time.monotonic() - started
    row["good"] = ("broken" not in row and (asked["programs"] is None or bool(row["programs"])) and len(row["stories"]) == len(asked["stories"])
                   and all(program.get("withinBudget") for program in row["programs"]) and all(told["passed"] for told in row["stories"]))
    return row


def show(row):
    print(f"\n{row['kernel']}: Linux {row['release'] or '?'} {row['package']} ({row['seconds']:.0f} s)")
    if row.get("programs"):
        print(f"  {'program':<16}{'variant':<20}{'verified':>10}{'of budget':>11}{'length':>8}{'load':>10}")
    for program in row.get("programs", []):
        head = f"  {program['program']:<16}{program['variant']:<20}"
        if "refused" in program:
            refused = program["refused"]
            print(f"{head}refused: {refused['error']}\n{refused['log']}\n{refused['warnings']}")
            continue
        over = "" if program["withinBudget"] else "  over the budget"
        print(f"{head}{program['verified']:>10,}{program['verified'] / program['budget']:>11.0%}{program['instructions']:>8,}"
              f"{program['milliseconds']:>7,.0f} ms{over}")
    for told in row.get("stories", []):
        print(f"  {'passed' if told['passed'] else 'FAILED'}: {told['name'].removeprefix(STORIES)} ({told['seconds']:.1f} s)")
        if not told["passed"]:
            print(told["output"])
    if "broken" in row:
        print(row["broken"])
    if not row["good"] and row.get("console"):
        print(f"--- console\n{row['console'][-3000:]}")


def main():
    names = [RUNNING, *packages.KERNELS]
    parser = argparse.ArgumentParser(prog="tools/kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", action="append", choices=names, help="none: all")
    parser.add_argument("--story", action="append", help="stories of tests/netns instead of those that every kernel must tell")
    parser.add_argument("--only", choices=("programs", "packets"), help="only what the verifier says, or only the stories")
    parser.add_argument("--binaries", default="build/bin")
    parser.add_argument("--cache", default=f"{machine.REPOSITORY}/build/kernels", help="where fetched kernels stay")
    parser.add_argument("--update", action="store_true", help="fetches the newest of each kernel again")
    parser.add_argument("--seconds", type=int, default=1200, help="how long a machine may take")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = {"programs": None if arguments.only == "packets" else [],
             "stories": [] if arguments.only == "programs" else arguments.story}
    rows = []
    for name in arguments.kernel or names:
        stories = _stories(name != RUNNING) if asked["stories"] is None else asked["stories"]
        rows.append(examine(name, arguments, asked | {"stories": stories}))
        if not arguments.json:
            show(rows[-1])
            sys.stdout.flush()
    if arguments.json:
        print(json.dumps(rows, indent=2))
    return 0 if all(row["good"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
