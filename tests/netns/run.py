#!/usr/bin/env python3
"""Runs stories: run.py --binaries build/bin [NAME or part of it ...]; run.py --list."""
import argparse
import glob
import importlib
import os
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import story  # noqa: E402


def load():
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "stories_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])


def tell(name, entry, binaries):
    """True when it went as told."""
    started = time.monotonic()
    try:
        with story.Story(binaries, entry.links, entry.pod) as node:
            entry.function(node)
    except (story.Unexpected, story.TimedOut, story.CommandFailed) as problem:
        print(f"FAILED: {name}\n{problem}")
        return False
    except Exception:
        print(f"FAILED: {name}")
        traceback.print_exc(file=sys.stdout)
        return False
    print(f"passed: {name} ({time.monotonic() - started:.1f} s)")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", default="build/bin")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    load()
    if arguments.list:
        for name, entry in story.STORIES.items():
            print(entry.kind, name)
        return 0
    if os.geteuid() != 0:
        print("skipped: network namespaces need root")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    story.sweep()
    if "" in arguments.names:
        parser.error("a story has a name")
    exact = {name: entry for name, entry in story.STORIES.items() if name in arguments.names}
    # Those of whole machines only by their names, as tests/kernels asks for them in one: they change what is not in a namespace.
    chosen = exact or {name: entry for name, entry in story.STORIES.items() if entry.kind != "machine"
                       and (not arguments.names or any(part in name for part in arguments.names))}
    if not chosen:
        print(f"no story is called {arguments.names} (tools/kernels tells those of whole machines)")
        return 1
    results = [tell(name, entry, arguments.binaries) for name, entry in chosen.items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
