#!/usr/bin/env python3
"""Each rule of house.py must find what breaks it: a small tree that keeps all rules, and one change that breaks one."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases as CASES  # noqa: E402


def mutant(number):
    return f"[[mutant]]\nname = \"m{number}\"\nfile = \"maps/types.h\"\nold = \"#include <\"\nnew = \"#include <{number}\"\nask = [\"prog\"]\nwhy = \"no header\"\n"



HOUSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "house.py")
GOOD = {
    "userspace/CMakeLists.txt": "\n".join([
        "nodewall_room(base fmt::fmt)", "nodewall_room(model nodewall_base)", "nodewall_room(config nodewall_model yaml-cpp)",
        "nodewall_room(kernel nodewall_base nodewall_skeleton)", "nodewall_room(compile nodewall_model)"]),
    "userspace/model/a.cc": '#include "base/ip.h"\n',
    "userspace/compile/c.cc": '#include "base/ip.h"\n#include "maps/policy.h"\n',
    "maps/types.h": "#include <linux/types.h>\n",
    "maps/verdict.h": '#include "types.h"\n  X(1, POLICY, "policy", "rule", "a rule matched") \\\n  X(2, SHORT, "short", "deny", "too short")\n',
    "bpf/maps.bpf.h": '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include "types.h"\n} nw_ct SEC(".maps");\nNW_MAP_ARRAY(nw_settings, x, 1);\n',
    "docs/reasons.md": "| Number | Name | Verdict | Meaning |\n|---|---|---|---|\n| 1 | `policy` | rule | a rule matched |\n| 2 | `short` | deny | too short |\n",
    "docs/a.md": "[there](reasons.md) [out](https://example.org/x) [here](#a-heading)\n# A heading\n",
    "tests/check/long_files.txt": "tests/long.cc: a table\n",
    "tests/long.cc": "x\n" * 401,
    "tests/cases.txt": "== Frames\nT-A1: short frames are dropped\nT-A2: the moon is full\n  not tested: no moon\ncase 1: closed\n  differs: ajar\n",
    "tests/unit/base/a.cc": 'TEST_CASE("T-A1: a frame "\n          "is dropped") {}\n',
    "tests/data/a.yaml": "- name: \"case 1: it is closed\"\n  packets:\n",
    "tests/mutants/mutants.toml": "".join(mutant(number) for number in range(50)),
    "docs/cases.md": CASES.HEAD + """
## Frames
| Case | What must hold | Tests | Outcome |
|---|---|---|---|
| T-A1 | short frames are dropped | base: T-A1: a frame is dropped | passed |
| T-A2 | the moon is full | – | not tested: no moon |
| case 1 | closed | vector: case 1: it is closed (not run) | not run; decided differently: ajar |
""",
}
PAGE, TABLE, MUTANTS = GOOD["docs/cases.md"], GOOD["tests/cases.txt"], GOOD["tests/mutants/mutants.toml"]
BROKEN = [  # rule, file, its new text (None: deleted)
    ("arrows", "userspace/model/a.cc", '#include "compile/x.h"\n'),
    ("arrows", "userspace/model/a.cc", '#include "maps/policy.h"\n'),
    ("arrows", "userspace/model/a.cc", "#include <bpf/libbpf.h>\n"),
    ("arrows", "userspace/model/a.cc", "#include <yaml-cpp/yaml.h>\n"),
    ("arrows", "userspace/model/a.cc", '#include "harness/judges.h"\n'),
    ("arrows", "userspace/attic/a.cc", "int x;\n"),
    ("arrows", "userspace/CMakeLists.txt", ""),
    ("layouts", "maps/types.h", "#include <stdint.h>\n"),
    ("layouts", "maps/types.h", '#include "userspace/base/ip.h"\n'),
    ("layouts", "bpf/maps.bpf.h", "#include <stdio.h>\n"),
    ("layouts", "maps/types.h", None),
    ("reasons", "docs/reasons.md", None),
    ("reasons", "docs/reasons.md", "| 1 | `policy` | rule | a rule matched |\n"),
    ("reasons", "docs/reasons.md", GOOD["docs/reasons.md"].replace("deny", "allow")),
    ("reasons", "docs/reasons.md", GOOD["docs/reasons.md"] + "| 3 | `more` | deny | x |\n"),
    ("reasons", "maps/verdict.h", GOOD["maps/verdict.h"].replace('"short"', '"policy"')),
    ("reasons", "maps/verdict.h", GOOD["maps/verdict.h"].replace("X(2", "X(3")),
    ("reasons", "maps/verdict.h", ""),
    ("maps", "bpf/maps.bpf.h", '} nw_name_of_a_map SEC(".maps");\n'),
    ("maps", "bpf/maps.bpf.h", "NW_MAP_ARRAY(nw_name_of_a_map, x, 1);\n"),
    ("maps", "bpf/maps.bpf.h", "struct x NW_VARIABLE(settings);\n"),
    ("maps", "bpf/maps.bpf.h", "struct x NW_VARIABLE(nw_settings);\n__u64 NW_VARIABLES(nw_settin2, 4);\n"),
    ("maps", "bpf/maps.bpf.h", '} other SEC(".maps");\n'),
    ("maps", "bpf/maps.bpf.h", "int x;\n"),
    ("links", "docs/a.md", "[there](gone.md)\n"),
    ("links", "docs/a.md", "[there](reasons.md#gone)\n"),
    ("links", "docs/a.md", "[out](../../else.md)\n"),
    ("length", "tests/check/long_files.txt", ""),
    ("length", "tests/check/long_files.txt", "tests/long.cc:\n"),
    ("length", "tests/long.cc", "x\n" * 400),
    ("words", "docs/b.md", "see /" + "home" + "/someone\n"),
    ("words", "docs/b.md", "as in " + "share" + "d" + "/docs\n"),
    ("mutants", "tests/mutants/mutants.toml", None),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS + "[[mutant]\n"),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS + mutant(0)),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS.replace(mutant(7), "")),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS.replace("#include <7", "#include <")),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS.replace('"prog"', '"bench"', 1)),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS.replace("maps/types.h", "maps/gone.h", 1)),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS.replace("why = ", "because = ", 1)),
    ("mutants", "tests/mutants/mutants.toml", MUTANTS + 'equivalent = ""\n'),
    ("mutants", "maps/types.h", "#include <linux/types.h>\n#include <linux/types.h>\n"),
    ("cases", "tests/cases.txt", None),
    ("cases", "tests/cases.txt", ""),
    ("cases", "tests/cases.txt", TABLE.replace("  not tested: no moon\n", "")),
    ("cases", "tests/cases.txt", TABLE.replace("case 1: closed\n  differs: ajar\n", "")),
    ("cases", "tests/cases.txt", TABLE + "T-A1: twice\n"),
    ("cases", "tests/cases.txt", TABLE + "  perhaps: no\n"),
    ("cases", "tests/unit/base/a.cc", 'TEST_CASE("a frame is dropped") {}\n'),
    ("cases", "tests/unit/base/a.cc", 'TEST_CASE("T-A1: a frame is dropped, or two") {}\n'),
    ("cases", "tests/unit/base/b.cc", 'TEST_CASE("T-A3: what nobody asked for") {}\n'),
    ("cases", "tests/prog/b.cc", 'TEST_CASE("T-A2 the moon is full", "[moon]") {}\n'),
    ("cases", "tests/data/a.yaml", None),
    ("cases", "tests/netns/run.py", "print('plain T-A1: on the wire')\n"),
    ("cases", "tests/netns/run.py", "raise ValueError('two stories')\n"),
    ("cases", "tests/x/CMakeLists.txt", 'add_test(NAME "check: T-A1: twice" COMMAND true)\n'),
    ("cases", "docs/cases.md", None),
    ("cases", "docs/cases.md", PAGE.replace("| T-A2 | the moon is full | – | not tested: no moon |\n", "")),
    ("cases", "docs/cases.md", PAGE.replace("not tested: no moon", "passed")),
    ("marks", "tests/x.cc", "// TO" + "DO: later\n"),
]


def faults_of(files, *rules):
    root = tempfile.mkdtemp()
    try:
        for file, text in files.items():
            path = os.path.join(root, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        ran = subprocess.run([sys.executable, HOUSE, root, *rules], capture_output=True, text=True)
        return ran.returncode, ran.stdout.strip() + ran.stderr
    finally:
        shutil.rmtree(root)


def main():
    failed = 0
    code, output = faults_of(GOOD)
    if code != 0 or output:
        print("the good tree breaks a rule:", output)
        failed += 1
    rules = subprocess.run([sys.executable, HOUSE, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for rule in set(rules) - {rule for rule, _, _ in BROKEN}:
        print(f"no tree breaks the rule {rule}")
        failed += 1
    for rule, file, text in BROKEN:
        files = {name: old for name, old in GOOD.items() if name != file}
        if text is not None:
            files[file] = text
        code, output = faults_of(files, rule)
        if code != 1 or not output:
            print(f"{rule} does not notice {file} with {text!r}: exit {code}, {output}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
