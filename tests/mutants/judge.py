"""Judges mutants: asks tests, the likeliest first, until one fails."""
import html
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

from build import BuildFailed, Mutant

SECONDS = 900  # for one test program; who takes longer is found too
ENVIRONMENT = {"NODEWALL_SEED": "1", "NODEWALL_PAIRS": "4000"}
IN_PROG = "prog [malformed],[link],[shapes],[extension],[fragments],[icmp],[address],[failsafe],[conntrack],[stages],[image]"
VECTORS = ("vector_tests every vector is answered as*", "vector_tests oracle*")
ALL = {  # the first folders of a file -> everything that is asked about it
    "bpf": (IN_PROG, *VECTORS),
    "maps": ("unit_compile", *VECTORS, IN_PROG),
    "userspace/compile": ("unit_compile", *VECTORS),
    "userspace/resolve": ("unit_resolve", *VECTORS),
    "userspace/engine": ("unit_engine", "prog [verify]"),
}


def parts_of(test):
    """A test program, and its filters; no filter: all of it."""
    program, _, filters = test.partition(" ")
    return program, filters.split(",") if filters else []


def at_once(tests, asked):
    """One run a program, of what was not asked yet: loading the programs takes longer than most of what is asked of them."""
    filters = {}
    for program, new in map(parts_of, tests):
        before = asked.setdefault(program, [])
        if "" in before or (new and all(one in before for one in new)):
            continue
        filters.setdefault(program, []).extend(one for one in new or [""] if one not in before)
        before += new or [""]
    return [program + ("" if "" in asks else " " + ",".join(asks)) for program, asks in filters.items()]


def tests_of(mutant):
    """All tests for a mutant, its own first."""
    asked = {}
    tests = at_once(mutant["ask"], asked)
    for folder, all_tests in ALL.items():
        if mutant["file"].startswith(folder + "/"):
            tests += at_once(all_tests, asked)
    return tests


def programs_of(mutants):
    return sorted({parts_of(test)[0] for mutant in mutants for test in tests_of(mutant)})


def failing_test(output):
    names = re.findall(r'<TestCase name="([^"]*)"', output)
    return html.unescape(names[-1]) if names else ""


def only(name):
    """A filter for the test of this name."""
    return re.sub(r'([\\,\[\]"*])', r"\\\1", name)


class Unsound(Exception):
    """A test fails without any mutant: it says nothing about one."""


class Judge:
    def __init__(self, tree):
        self.tree = tree
        self.controls = {}  # what was asked -> whether it passes without a mutant
        self.lock, self.locks = threading.Lock(), {}

    def _ask(self, program, filters, built):
        """How the test program ends (None: it does not), and what it wrote."""
        environment = dict(os.environ, **ENVIRONMENT)
        if built is not None:
            environment.update(LD_PRELOAD=self.tree.preload, NODEWALL_OBJECT=built)
        try:
            ran = subprocess.run([program, *([",".join(filters)] if filters else []), "--abort", "--reporter", "xml"], env=environment, timeout=SECONDS,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return None, ""
        return ran.returncode, ran.stdout.decode(errors="replace")

    def _passes(self, program, filters):
        built = os.path.join(self.tree.build, "bpf/nodewall.bpf.o")
        code, output = self._ask(self.tree.binary(program), filters, built)
        return code == 0 and "<TestCase" in output

    def control(self, program, filters):
        """What fails must pass when nothing is broken, asked in the same way."""
        asked = (program, *filters)
        with self.lock:
            lock = self.locks.setdefault(asked, threading.Lock())
        with lock:
            if asked not in self.controls:
                self.controls[asked] = self._passes(program, filters)
        if not self.controls[asked]:
            raise Unsound(f"{' '.join(asked)} fails without a mutant, or has no test")

    def judge(self, entry):
        """{name, outcome, by, test, seconds}; outcome: killed, survived, error."""
        return self._in_folder(entry, lambda folder: self._judge(entry, folder))

    def compile(self, entry):
        """The same of a mutant that only the compiler is asked about."""
        return self._in_folder(entry, lambda folder: Mutant(self.tree, entry, folder).compile_all() or {"outcome": "compiles"})

    def _in_folder(self, entry, ask):
        started = time.monotonic()
        verdict = {"name": entry["name"], "outcome": "survived", "by": "", "test": ""}
        folder = tempfile.mkdtemp(prefix="mutant-")
        try:
            verdict.update(ask(folder))
        except BuildFailed as problem:
            lines = str(problem).splitlines()
            verdict.update(outcome="killed", by="build", test=next((line for line in lines if "error:" in line), lines[-1] if lines else ""))
        except (Unsound, RuntimeError, OSError, subprocess.SubprocessError) as problem:
            verdict.update(outcome="error", test=str(problem))
        finally:
            shutil.rmtree(folder)
        verdict["seconds"] = round(time.monotonic() - started, 1)
        return verdict

    def _judge(self, entry, folder):
        mutant = Mutant(self.tree, entry, folder)
        mutant.build()
        for test in tests_of(entry):
            name, filters = parts_of(test)
            code, output = self._ask(mutant.program(name), filters, mutant.object)
            if code == 0 and "<TestCase" not in output:
                raise Unsound(f"{test} has no test")
            if code == 0:
                continue
            failing = failing_test(output)
            self.control(name, [only(failing)] if failing else filters)
            refused = mutant.object is not None and "verifier" in output and "BPF program load failed" in output
            return {"outcome": "killed", "by": "verifier" if refused else test,
                    "test": failing if code is not None else f"not done after {SECONDS} s"}
        return {}
