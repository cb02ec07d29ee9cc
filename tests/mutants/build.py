"""Builds a mutant beside the tree, out of the commands of a build that is there.

The changed text lies in a folder of its own, and only what it changes is compiled: the BPF object, or those files of user space
that include it. A test program is then linked again with the new object files in front of the room's library, so that the linker
takes them and leaves the library's. The tree and its build stay as they are, and mutants can be judged side by side.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

from table import apply

LENIENT = ("-Wno-error",)  # what a mutant does not use any more is no reason to refuse it


class BuildFailed(Exception):
    """The compiler or the linker refuses the mutant."""


def run(command, folder):
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode != 0:
        raise BuildFailed(ran.stderr.strip() or ran.stdout.strip())
    return ran.stdout


class Tree:
    """The tree at `root`, built in `build`."""

    def __init__(self, root, build):
        self.root, self.build = os.path.abspath(root), os.path.abspath(build)
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as file:
            self.commands = {os.path.relpath(it["file"], self.root): it for it in json.load(file)}
        self.links = {}
        self.users = None

    def _ninja(self, *arguments):
        return run(["ninja", "-C", self.build, *arguments], self.root)

    def prepare(self, programs):
        """Builds the test programs as they are, and what is preloaded into them."""
        subprocess.run(["ninja", "-C", self.build, *programs], check=True, stdout=sys.stderr)
        library = os.path.join(self.build, "mutants_preload.so")
        source = os.path.join(self.root, "tests/mutants/preload.c")
        run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", library, source, "-ldl"], self.root)
        self.preload = library

    def binary(self, program):
        return os.path.join(self.build, "bin", program)

    def bpf_command(self):
        parts = self._ninja("-t", "commands", "bpf/nodewall.bpf.o").strip().splitlines()[-1].split(" && ")
        return next(shlex.split(part) for part in parts if "-c" in part.split())

    def users_of(self, file):
        """Files of user space that include the header, as the compiler said when it built them."""
        if self.users is None:
            users, output = {}, ""
            for line in self._ninja("-t", "deps").splitlines():
                if not line.startswith(" "):
                    output = line.split(":")[0]
                elif output.startswith("userspace/"):
                    header = os.path.relpath(os.path.join(self.build, line.strip()), self.root)
                    users.setdefault(header, []).append(output)
            self.users = users
        sources = {}
        for source, it in self.commands.items():
            command = shlex.split(it["command"])
            sources[command[command.index("-o") + 1]] = source
        found = sorted(sources[output] for output in self.users.get(file, []) if output in sources)
        if not found:
            raise RuntimeError(f"nothing that is built includes {file}")
        return found

    def link_command(self, program):
        if program not in self.links:
            last = self._ninja("-t", "commands", f"bin/{program}").strip().splitlines()[-1]
            parts = [part for part in last.split(" && ") if f"-o bin/{program}" in part]
            self.links[program] = shlex.split(parts[0])
        return self.links[program]


def room_of(file):
    return file.split("/")[1]


class Mutant:
    """One mutant, built in `folder`."""

    def __init__(self, tree, entry, folder):
        self.tree, self.entry, self.folder = tree, entry, folder
        self.file = entry["file"]
        self.object = None    # of the BPF programs, if they change
        self.sources = []     # of user space, that have the changed text in them
        self.objects = {}     # source -> object file, of those that a test program has asked for
        self._write()

    def _write(self):
        """The whole folder of the changed file: a header finds its neighbours first beside itself."""
        top = os.path.join(self.folder, "text")
        for part in {os.path.dirname(self.file), "bpf", "maps"}:
            shutil.copytree(os.path.join(self.tree.root, part), os.path.join(top, part), dirs_exist_ok=True)
        with open(os.path.join(top, self.file), "w", encoding="utf-8") as out:
            out.write(apply(self.tree.root, self.entry))
        self.text = top

    def build(self):
        if self.file.startswith(("bpf/", "maps/")):
            self._build_object()
        if self.file.startswith("userspace/") and self.file.endswith(".cc"):
            self.sources = [self.file]
        elif not self.file.startswith("bpf/"):
            self.sources = self.tree.users_of(self.file)

    def _build_object(self):
        self.object = os.path.join(self.folder, "nodewall.bpf.o")
        command = []
        for word in self.tree.bpf_command():
            for part in ("bpf", "maps"):
                word = re.sub(rf"^(-I)?{re.escape(self.tree.root)}/{part}(?=/|$)", rf"\1{self.text}/{part}", word)
            command.append(word)
        for option in ("-o", "-MF", "-MT"):
            command[command.index(option) + 1] = self.object + (".d" if option == "-MF" else "")
        run([*command, *LENIENT], self.folder)

    def _compile(self, source):
        it = self.tree.commands[source]
        made = os.path.join(self.folder, source.replace("/", "_") + ".o")
        command = shlex.split(it["command"])
        command[command.index("-o") + 1] = made
        if source == self.file:
            command[command.index("-c") + 1] = os.path.join(self.text, source)
        command[1 + ("ccache" in command[0]):1 + ("ccache" in command[0])] = [f"-I{self.text}", f"-I{self.text}/userspace"]
        run([*command, *LENIENT], it["directory"])
        self.objects[source] = made

    def compile_all(self):
        """Whatever changes, without a program to link it into."""
        self.build()
        for source in self.sources:
            self._compile(source)

    def program(self, name):
        """The test program with the mutant in it."""
        if not self.sources:
            return self.tree.binary(name)
        command = list(self.tree.link_command(name))
        linked = [source for source in self.sources if any(word.endswith(f"libnodewall_{room_of(source)}.a") for word in command)]
        if not linked:
            return self.tree.binary(name)
        for source in linked:
            if source not in self.objects:
                self._compile(source)
        made = os.path.join(self.folder, name)
        if not os.path.exists(made):
            at = command.index("-o")
            command[at + 1] = made
            command[at:at] = [self.objects[source] for source in linked]
            run(command, self.tree.build)
        return made
