"""The table of mutants (mutants.toml): reading it, and what is wrong with it.

Nothing here runs anything: tests/check uses it too.
"""
import os
import tomllib

TABLE = "tests/mutants/mutants.toml"
LEAST = 50  # mutants
FIELDS = {"name", "file", "old", "new", "ask", "why", "equivalent"}
PROGRAMS = ("prog", "vector_tests", "unit_compile", "unit_resolve", "unit_engine")


def read(root):
    with open(os.path.join(root, TABLE), "rb") as file:
        return tomllib.load(file).get("mutant", [])


def text_of(root, file):
    with open(os.path.join(root, file), encoding="utf-8") as opened:
        return opened.read()


def apply(root, mutant):
    """The mutant's text of its file."""
    before, found, after = text_of(root, mutant["file"]).partition(mutant["old"])
    if not found:
        raise ValueError(f"{mutant['name']} does not apply to {mutant['file']}")
    return before + mutant["new"] + after


def faults_of(root, mutant):
    name = mutant.get("name", "(no name)")
    for field in sorted((FIELDS - {"equivalent"}) - mutant.keys()):
        yield f"{name}: {field} is missing"
    for field in sorted(mutant.keys() - FIELDS):
        yield f"{name}: {field} is not known"
    for test in mutant.get("ask", []):
        if test.split(" ")[0] not in PROGRAMS:
            yield f"{name}: no test program is called {test.split(' ')[0]}"
    if not mutant.get("equivalent", "why"):
        yield f"{name}: equivalent gives no reason"
    file, old = mutant.get("file", ""), mutant.get("old", "")
    if old == mutant.get("new"):
        yield f"{name}: changes nothing"
    if not os.path.isfile(os.path.join(root, file)):
        yield f"{name}: there is no file {file}"
    elif not old or text_of(root, file).count(old) != 1:
        yield f"{name}: its old text stands {text_of(root, file).count(old) if old else 0} times in {file}, not once"


def faults(root):
    """What is wrong with the table, a line each."""
    try:
        mutants = read(root)
    except (OSError, tomllib.TOMLDecodeError) as problem:
        yield str(problem)
        return
    names = [mutant.get("name") for mutant in mutants]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        yield f"{name}: is there twice"
    for mutant in mutants:
        yield from faults_of(root, mutant)
    if len(mutants) < LEAST:
        yield f"{len(mutants)} mutants, fewer than {LEAST}"
