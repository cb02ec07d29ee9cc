#!/usr/bin/env python3
"""The house's own rules, each a function that yields what breaks it.

    house.py ROOT RULE...     judges the tree at ROOT; no RULE: all of them
    house.py --list           the rules

Only files that git tracks (or would track) are looked at; a tree without git is looked at whole.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mutants"))

import cases  # noqa: E402
import table as mutants  # noqa: E402

TEXT = (".cc", ".h", ".c", ".py", ".sh", ".md", ".txt", ".yaml", ".yml", ".json", ".cmake", ".service", ".in")
CODE = (".cc", ".h", ".c", ".py", ".sh", ".yaml", ".cmake")
MOST_LINES = 400


class Tree:
    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.files = sorted(self._tracked())

    def _tracked(self):
        if os.path.isdir(os.path.join(self.root, ".git")):
            out = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"], cwd=self.root, check=True,
                                 capture_output=True).stdout.decode()
            return {f for f in out.split("\0") if f and os.path.isfile(os.path.join(self.root, f))}
        found = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [f for f in folders if not f.startswith(("build", "."))]
            found |= {os.path.relpath(os.path.join(folder, n), self.root) for n in names}
        return found

    def text(self, file):
        with open(os.path.join(self.root, file), encoding="utf-8", errors="replace") as opened:
            return opened.read()

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))


def includes(tree, file):
    """(line, header, angled) of each include."""
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(2), found.group(1) == "<"


def rooms(tree):
    """Room -> rooms it may include, from the lines of userspace/CMakeLists.txt and what follows from them."""
    direct = {}
    for name, links in re.findall(r"nodewall_room\((\w+)([^)]*)\)", tree.text("userspace/CMakeLists.txt")):
        if name != "name":
            direct[name] = {link.removeprefix("nodewall_") for link in links.split() if link.startswith("nodewall_")}
    closed = {name: set(links) for name, links in direct.items()}
    for _ in closed:
        for links in closed.values():
            links |= {further for link in list(links) for further in closed.get(link, ())}
    return closed


def check_arrows(tree):
    """A room includes headers only of rooms that it has an arrow to."""
    arrows = rooms(tree)
    if len(arrows) < 5:
        yield "userspace/CMakeLists.txt: no rooms found"
    # Layouts and their names are for whoever links with a room that has them.
    layouts = {"compile", "kernel", "engine", "resolve", "oracle"}
    for file in tree.files:
        parts = file.split("/")
        if parts[0] != "userspace" or len(parts) < 3 or not file.endswith((".cc", ".h")):
            continue
        room = parts[1]
        if room not in arrows:
            yield f"{file}: userspace/{room} is not a room of userspace/CMakeLists.txt"
            continue
        for number, header, angled in includes(tree, file):
            top = header.split("/")[0]
            if top in arrows and top != room and top not in arrows[room]:
                yield f"{file}:{number}: {room} has no arrow to {top} ({header})"
            if top == "maps" and room not in layouts:
                yield f"{file}:{number}: {room} may not see maps/ ({header})"
            if top == "bpf" and room != "kernel":
                yield f"{file}:{number}: only kernel sees libbpf and the programs ({header})"
            if top == "yaml-cpp" and room != "config":
                yield f"{file}:{number}: only config sees the YAML library ({header})"
            if top in ("tests", "bench", "tools", "harness"):
                yield f"{file}:{number}: nothing includes {top} ({header})"


def check_layouts(tree):
    """maps/ includes <linux/types.h> and itself; bpf/ only maps/, itself and headers of the kernel and libbpf."""
    own = {os.path.basename(f) for f in tree.files if f.startswith("maps/")}
    if not own:
        yield "maps/: no headers found"
    programs = {f.removeprefix("bpf/") for f in tree.files if f.startswith("bpf/")}
    for file in tree.files:
        folder = file.split("/")[0]
        if folder not in ("maps", "bpf") or not file.endswith((".h", ".c")):
            continue
        for number, header, angled in includes(tree, file):
            if folder == "maps" and header != "linux/types.h" and (angled or header not in own):
                yield f"{file}:{number}: maps/ includes <linux/types.h> and itself only ({header})"
            if folder == "bpf" and header not in own | programs and not header.startswith(("linux/", "bpf/", "asm/")):
                yield f"{file}:{number}: bpf/ includes maps/, itself and headers of the kernel only ({header})"


def reasons(tree):
    """(number, name, verdict, meaning) of maps/verdict.h."""
    found = re.findall(r'X\((\d+), \w+, "([^"]*)", "([^"]*)", "([^"]*)"\)', tree.text("maps/verdict.h"))
    return [(int(number), name, verdict, meaning) for number, name, verdict, meaning in found]


def check_reasons(tree):
    """Reasons are numbered from 1 without gaps, their names differ, and docs/reasons.md lists them all, as they are."""
    listed = reasons(tree)
    if not listed:
        yield "maps/verdict.h: no reasons found"
    names = [name for _, name, _, _ in listed]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"maps/verdict.h: two reasons are called {name}"
    for place, (number, name, _, _) in enumerate(listed, 1):
        if number != place:
            yield f"maps/verdict.h: {name} has number {number}, its place is {place}"
    if not tree.exists("docs/reasons.md"):
        yield "docs/reasons.md: is missing"
        return
    table = {}
    for line in tree.text("docs/reasons.md").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            table[int(cells[0])] = cells
    for number, name, verdict, meaning in listed:
        cells = table.pop(number, None)
        if cells is None:
            yield f"docs/reasons.md: {number} {name} is missing"
        elif cells[1] != name or verdict not in cells or not any(cell.startswith(meaning) for cell in cells):
            yield f"docs/reasons.md: {number} is not \"{name}\", \"{verdict}\", \"{meaning}\" as in maps/verdict.h"
    for number in table:
        yield f"docs/reasons.md: {number} is no reason of maps/verdict.h"


def check_maps(tree):
    """The kernel cuts names of maps after 15 characters; what is left of a variable's, behind its section, tells it from others."""
    found, variables = 0, {}
    for file in tree.files:
        if not file.startswith("bpf/"):
            continue
        # As declarations, and by the macros of maps.bpf.h, whose own text has a placeholder with "_" at its end.
        names = re.findall(r"(\w+)\s+SEC\(\"\.maps\"\)|^NW_MAP_\w+\((\w+),", tree.text(file), flags=re.M)
        for name in (first or second for first, second in names):
            if name.endswith("_"):
                continue
            found += 1
            if len(name) > 15:
                yield f"{file}: the name of the map {name} has {len(name)} characters, at most 15 are kept"
            if not name.startswith("nw_"):
                yield f"{file}: the map {name} does not begin with nw_"
        for name in re.findall(r"\bNW_VARIABLES?\((\w+)", tree.text(file)):
            if name.endswith("_"):
                continue
            found += 1
            if not name.startswith("nw_"):
                yield f"{file}: the variable {name} does not begin with nw_"
            if (other := variables.setdefault(f".data.{name}"[:15], name)) != name:
                yield f"{file}: the kernel has one name for the variables {other} and {name}"
    if not found:
        yield "bpf/: no maps found"


def check_links(tree):
    """Every relative link of a Markdown file leads somewhere, the part after # too."""
    for file in tree.files:
        if not file.endswith(".md"):
            continue
        text = re.sub(r"```.*?```", lambda m: "\n" * m.group(0).count("\n"), tree.text(file), flags=re.S)
        for number, line in enumerate(text.splitlines(), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                to = os.path.normpath(os.path.join(os.path.dirname(file), path)) if path else file
                if to.startswith("..") or not tree.exists(to):
                    yield f"{file}:{number}: {target} leads nowhere"
                elif anchor and to.endswith(".md") and anchor not in anchors(tree.text(to)):
                    yield f"{file}:{number}: {to} has no heading #{anchor}"


def anchors(text):
    out = set()
    for heading in re.findall(r"^#+\s+(.*)$", text, flags=re.M):
        out.add(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-"))
    return out


def check_length(tree):
    """No file of more than 400 lines without a line in tests/check/long_files.txt that says why: "path: reason"."""
    excused = {}
    if tree.exists("tests/check/long_files.txt"):
        for line in tree.text("tests/check/long_files.txt").splitlines():
            path, _, reason = line.partition(":")
            if line.strip() and not line.startswith("#"):
                excused[path.strip()] = reason.strip()
    long = set()
    for file in tree.files:
        if not file.endswith(CODE):
            continue
        lines = tree.text(file).count("\n")
        if lines <= MOST_LINES:
            continue
        long.add(file)
        if not excused.get(file):
            yield f"{file}: {lines} lines, more than {MOST_LINES}, and tests/check/long_files.txt gives no reason"
    for file in sorted(set(excused) - long):
        yield f"tests/check/long_files.txt: {file} is not that long (any more)"


def check_words(tree):
    """Nothing of the machine that a file was written on."""
    # Put together here, so that this file does not break its own rule.
    words = ["/" + "work" + "/", "share" + "d" + "/", "/" + "root" + "/", "/" + "home" + "/"]
    for file in tree.files:
        if not file.endswith(TEXT) and "." in os.path.basename(file):
            continue
        for number, line in enumerate(tree.text(file).splitlines(), 1):
            for word in words:
                # A path inside the project or of the system may end in one of these names.
                if re.search(r"(?<![\w./-])" + re.escape(word), line):
                    yield f"{file}:{number}: mentions {word}"


def check_marks(tree):
    """What is not finished stays out, instead of being marked."""
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "X" + "XX", "HA" + "CK"]) + r")\b")
    for file in tree.files:
        if file.endswith(CODE):
            for number, line in enumerate(tree.text(file).splitlines(), 1):
                if marks.search(line):
                    yield f"{file}:{number}: {marks.search(line).group(1)}"


def check_cases(tree):
    """Every case of tests/cases.txt has a test or a reason, no test names another, and docs/cases.md says so."""
    yield from cases.check_page(tree.root)


def check_mutants(tree):
    """Each mutant of tests/mutants/mutants.toml applies to the tree: its old text stands once in its file."""
    for fault in mutants.faults(tree.root):
        yield f"{mutants.TABLE}: {fault}"


RULES = {name.removeprefix("check_"): rule for name, rule in list(globals().items()) if name.startswith("check_")}


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(RULES))
        return 0
    if not arguments or any(rule not in RULES for rule in arguments[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    tree = Tree(arguments[0])
    faults = [fault for name in arguments[1:] or RULES for fault in RULES[name](tree)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
