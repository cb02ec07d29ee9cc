#!/usr/bin/env python3
"""Which test covers which case: makes docs/cases.md of tests/cases.txt and of the names of the tests.

    cases.py                      writes the page; what it said of tests that are still there stays
    cases.py --junit FILE...      the same, with the outcomes of runs (ctest --output-junit FILE)
    cases.py --check              writes nothing, prints what is wrong
    cases.py --check --junit FILE...   and which cases these runs do not show, whatever the page says

A case is covered by the tests whose names have its number (T-F1, case 4). Names are read where tests are written, so that no build is
needed: TEST_CASE in *.cc, names in tests/data/*.yaml, stories, add_test in CMakeLists.txt. An outcome is believed for the CTest test that
runs them, by its name in the build: that a name here is not one there shows as "not run".
"""
import argparse
import collections
import glob
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

TABLE, PAGE = "tests/cases.txt", "docs/cases.md"
NUMBER = re.compile(r"(?<![\w-])(T-[A-Z]*\d+|case \d+)(?!\w)")
WORDS = ("differs", "in part", "not tested", "not applicable")
VECTORS = "vectors: every vector is answered as expected by oracle, image and program"
PASSED, FAILED, NOT_RUN = "passed", "FAILED", "not run"
MARKS = (f" ({FAILED})", f" ({NOT_RUN})")
HEAD = """# Cases

What must hold, and the tests that show it. The sentences are those of `tests/cases.txt`; a test covers a case when its name has the number.
This page is written by `tests/check/cases.py`, outcomes by `tests/check/cases.py --junit FILE` after `ctest --output-junit FILE`; a test
of label `check` fails when the page is not what the tests say, or when a case has neither a test nor a reason.
"""

# notes: WORDS -> text.
Case = collections.namedtuple("Case", "section number sentence notes line")
# shown: how the page names the test; ctest: the CTest test that runs it.
Test = collections.namedtuple("Test", "shown ctest place")


class Wrong(Exception):
    """The table or a test cannot be read."""


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def read_cases(root):
    cases, section = {}, ""
    for line, text in enumerate(read(root, TABLE).splitlines(), 1):
        note = re.fullmatch(rf"  ({'|'.join(WORDS)}): (.+)", text)
        case = re.fullmatch(r"(T-[A-Z]*\d+|case \d+): (.+)", text)
        if text.startswith("== "):
            section = text[3:]
        elif note and cases:
            list(cases.values())[-1].notes[note[1]] = note[2]
        elif case and section and case[1] not in cases:
            cases[case[1]] = Case(section, case[1], case[2], {}, line)
        elif text and not text.startswith("#"):
            raise Wrong(f"{TABLE}:{line}: is no section, no new case and no note: {text}")
    return cases


# Where tests are written.

def catch_tests(root, file):
    """(name, tags) of each TEST_CASE; a name may be of several literals."""
    literals = r'"(?:[^"\\]|\\.)*"'
    for found in re.finditer(rf"\bTEST_CASE\(\s*({literals}(?:\s*{literals})*)(?:\s*,\s*({literals}))?", read(root, file)):
        name = "".join(part[1:-1] for part in re.findall(literals, found[1]))
        yield re.sub(r"\\(.)", r"\1", name), re.findall(r"\[([\w-]+)\]", found[2] or "")


def tests_of_source(root, file):
    """How CMakeLists.txt of the folder names the tests of a file."""
    _, kind, *rest = file.split("/")
    for name, tags in catch_tests(root, file):
        if kind == "unit":
            yield Test(f"{rest[0]}: {name}", f"{rest[0]}: {name}", file)
        elif tags:  # one CTest test a tag
            yield Test(f"{kind}: {name}", f"{kind}: {tags[0]}", file)
        else:
            yield Test(f"{kind}: {name}", f"{kind}: {name}", file)


def tests_of_vectors(root, file):
    for name in re.findall(r"^- name: (.*)$", read(root, file), flags=re.M):
        yield Test(f"vector: {name.strip(chr(34))}", VECTORS, file)


def stories(root):
    runner = "tests/netns/run.py"
    if os.path.exists(os.path.join(root, runner)):
        listed = subprocess.run([sys.executable, os.path.join(root, runner), "--list"], capture_output=True, text=True)
        if listed.returncode != 0:
            raise Wrong(f"{runner} --list: {(listed.stderr.strip().splitlines() or ['failed'])[-1]}")
        for line in listed.stdout.splitlines():
            kind, title = line.split(" ", 1)
            if kind == "machine":  # both machines tell it
                yield Test(f"kernels: {title}", "kernels: 6.12", "tests/netns")
            else:
                yield Test(f"netns: {title}", f"netns: {title}", "tests/netns")


def all_tests(root):
    def files(pattern):
        return sorted(os.path.relpath(path, root) for path in glob.glob(os.path.join(root, pattern), recursive=True))

    for file in files("tests/**/*.cc"):
        yield from tests_of_source(root, file)
    for file in files("tests/data/*.yaml"):
        yield from tests_of_vectors(root, file)
    yield from stories(root)
    for file in files("tests/*/CMakeLists.txt"):
        for name in re.findall(r'add_test\(NAME "([^"$]+)"', read(root, file)):
            yield Test(name, name, file)


def cover(cases, tests):
    """Number -> its tests, and what is wrong."""
    covered, wrong = collections.defaultdict(list), []
    for test in tests:
        for number in dict.fromkeys(NUMBER.findall(test.shown)):
            if number not in cases:
                wrong.append(f"{test.place}: no case of {TABLE} is called {number} ({test.shown})")
            elif test not in covered[number]:
                covered[number].append(test)
    for case in cases.values():
        excused = [word for word in ("not tested", "not applicable") if word in case.notes]
        if covered[case.number] and excused:
            wrong.append(f"{TABLE}:{case.line}: {case.number} has a test now ({covered[case.number][0].shown}); take its \"{excused[0]}\" away")
        if not covered[case.number] and not excused:
            wrong.append(f"{TABLE}:{case.line}: {case.number} has neither a test nor a reason (\"not tested: ...\" below it)")
    return covered, wrong


# Outcomes.

def without_blanks(name):
    """Some versions of Catch2's CMake module lose the blank at the end of a prefix."""
    return re.sub(r"\s", "", name)


def outcomes_of_runs(files):
    """CTest test -> True when it passed; of several runs the last counts."""
    outcomes = {}
    for file in files:
        for test in xml.parse(file).getroot().iter("testcase"):
            outcomes[without_blanks(test.get("name"))] = test.get("status") == "run" and test.find("failure") is None
    return outcomes


def passed_before(root):
    """Shown names of tests that the page has without a mark."""
    known = set()
    if os.path.exists(os.path.join(root, PAGE)):
        for line in read(root, PAGE).splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
            tests = cells[3].replace("\\|", "|").split("<br>") if len(cells) == 6 else []
            unmarked = {test for test in tests if not test.endswith(MARKS)}
            # A row that did not pass marks a test; one that marks none was edited.
            if tests and (cells[4].startswith(PASSED) or len(unmarked) < len(tests)):
                known |= unmarked
    return known


def mark(test, outcomes, known):
    """What is said of a test: "" when it passed."""
    passed = outcomes.get(without_blanks(test.ctest), True if test.shown in known else None)
    return "" if passed else MARKS[passed is None]


def outcome(case, marks):
    if not marks:
        return "; ".join(f"{word}: {text}" for word, text in case.notes.items())
    said = FAILED if MARKS[0] in marks else NOT_RUN if MARKS[1] in marks else PASSED
    return said + "".join(f"; {_differently(word)}: {text}" for word, text in case.notes.items())


def _differently(word):
    return "decided differently" if word == "differs" else word


def page(covered, marks, said):
    lines, section = [HEAD], ""
    for case, text in said:
        if case.section != section:
            section = case.section
            lines.append(f"\n## {section}\n| Case | What must hold | Tests | Outcome |\n|---|---|---|---|")
        tests = [test.shown.replace("|", "\\|") + marks[test] for test in covered[case.number]]
        lines.append(f"| {case.number} | {case.sentence} | {'<br>'.join(tests) or '–'} | {text} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def judge(root, outcomes, known):
    """(what is wrong, what the page should be, the summary, cases whose tests did not all pass)."""
    try:
        cases = read_cases(root)
        covered, wrong = cover(cases, all_tests(root))
    except (OSError, Wrong) as error:
        return [str(error)], None, "", []
    if not cases:
        wrong.append(f"{TABLE}: no case found")
    marks = {test: mark(test, outcomes, known) for tests in covered.values() for test in tests}
    said = [(case, outcome(case, [marks[test] for test in covered[case.number]])) for case in cases.values()]
    words = [re.split("[;:]", text)[0] for _, text in said]
    counts = ", ".join(f"{words.count(word)} {word}" for word in (PASSED, FAILED, NOT_RUN, "not tested", "not applicable") if word in words)
    with_tests = sum(1 for number in cases if covered[number])
    summary = f"cases: {with_tests} of {len(cases)} covered by tests ({counts}; {PAGE})"
    unproven = [f"{case.number}: {text}" for case, text in said if text.startswith((FAILED, NOT_RUN))]
    return wrong, page(covered, marks, said), summary, unproven


def check_page(root):
    """What the house says of cases: nothing when all is well."""
    wrong, written, _, _ = judge(root, {}, passed_before(root))
    yield from wrong
    if written is not None and (not os.path.exists(os.path.join(root, PAGE)) or read(root, PAGE) != written):
        yield f"{PAGE}: is not what the tests say; tests/check/cases.py writes it"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--junit", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    root = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    known = set() if arguments.check and arguments.junit else passed_before(root)
    wrong, written, summary, unproven = judge(root, outcomes_of_runs(arguments.junit), known)
    if arguments.check:
        wrong = [*check_page(root), *(unproven if arguments.junit else ())]
    elif written is not None:
        with open(os.path.join(root, PAGE), "w", encoding="utf-8") as file:
            file.write(written)
    for line in filter(None, [*wrong, summary]):
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
