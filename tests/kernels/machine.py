"""A machine in qemu that boots an unpacked kernel, locked down, with the built programs, examines them (inside.py) and switches off.

Its file tree is an archive in memory: Python, `ip`, the programs with their libraries, the modules, the project's own scripts. No disk, no
network card, no root. The processor is emulated: it is the same on every machine, whether it has KVM or not.
"""
import json
import lzma
import os
import re
import stat
import subprocess
import sys
import sysconfig
import tempfile

import inside
from inside import MODULES, PLACE, REQUEST

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PROGRAMS = ("nodewall", "nodewalld", "nodewall_programs")
SCRIPTS = ("tests/netns", "tests/kernels", "tools/lab")
# What a Debian kernel would load by itself when it is asked for.
WANTED_MODULES = ("veth", "bridge", "sch_ingress", "cls_bpf", "inet_diag", "tcp_diag", "udp_diag",
                  "8021q", "bonding", "macvlan", "ipvlan", "ipip", "sit", "ip_gre", "geneve", "ip6_tunnel", "vrf",
                  "esp4", "xfrm_user", "authenc", "echainiv", "ansi_cprng")
LEFT_OUT = ("test", "idlelib", "tkinter", "lib2to3", "ensurepip", "dist-packages", "site-packages", "pydoc_data")
PATIENCE = 30  # waits in the stories are that much longer: on a busy machine the emulated one needs minutes to load the programs


class Broken(Exception):
    """The machine did not do what it was asked."""


class _Archive:
    """A file tree as the kernel unpacks it at the start: cpio, "newc"."""

    def __init__(self, out):
        self._out = out
        self._number = 0
        self._there = set()

    def _entry(self, path, mode, data=b"", modified=0, device=(0, 0)):
        path = path.lstrip("/")
        if path in self._there:
            return
        self._there.add(path)
        if "/" in path:
            self.folder(os.path.dirname(path))
        self._number += 1
        name = path.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, modified, len(data), 0, 0, *device, len(name), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        self._write(data)

    def _write(self, data):
        self._out.write(data)
        self._out.write(b"\0" * (-self._out.tell() % 4))

    def folder(self, path):
        self._entry(path, stat.S_IFDIR | 0o755)

    def link(self, path, to):
        self._entry(path, stat.S_IFLNK | 0o777, to.encode())

    def device(self, path, major, minor):
        self._entry(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def data(self, path, data, mode=0o644, modified=0):
        self._entry(path, stat.S_IFREG | mode, data, modified)

    def file(self, source, path=None):
        """Under its real folder's name, so that a merged /usr needs no more than links."""
        path = path or os.path.join(os.path.realpath(os.path.dirname(source)), os.path.basename(source))
        with open(source, "rb") as opened:
            info = os.fstat(opened.fileno())
            self.data(path, opened.read(), info.st_mode & 0o777, int(info.st_mtime))

    def program(self, source, path=None):
        """With the libraries that it needs."""
        self.file(source, path)
        listed = subprocess.run(["ldd", source], capture_output=True, text=True)
        for library in re.findall(r"(/\S+) \(0x", listed.stdout):
            self.file(library)

    def close(self):
        self._entry("TRAILER!!!", 0)


def _add_python(archive):
    library = sysconfig.get_path("stdlib")
    for folder, folders, names in os.walk(library):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            (archive.program if name.endswith(".so") else archive.file)(os.path.join(folder, name))
    archive.program(os.path.realpath(sys.executable))


def _module(path):
    with open(path, "rb") as module:
        data = module.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


def _add_modules(archive, folder):
    """The wanted modules and what they say they depend on, numbered in the order in which they can be loaded."""
    places = {}
    for at, _, names in os.walk(folder):
        places |= {name.split(".ko")[0].replace("-", "_"): os.path.join(at, name) for name in names if ".ko" in name}
    with open(f"{folder}/modules.builtin") as listed:
        built_in = {os.path.basename(line.strip()).removesuffix(".ko").replace("-", "_") for line in listed}
    order = {}

    def add(name):
        if name in order or name in built_in:
            return
        if name not in places:
            raise Broken(f"{folder} has no module {name}")
        data = _module(places[name])
        for needed in filter(None, re.search(rb"\0depends=([^\0]*)\0", data)[1].decode().split(",")):
            add(needed.replace("-", "_"))
        order[name] = data

    for name in WANTED_MODULES:
        add(name)
    for number, (name, data) in enumerate(order.items()):
        archive.data(f"{MODULES}/{number:02}-{name}", data)


def _write_archive(path, kernel, binaries, asked):
    with open(path, "wb") as out:
        archive = _Archive(out)
        for name in ("bin", "sbin", "lib", "lib64"):
            archive.link(name, f"usr/{name}")
        for name in ("proc", "sys", "dev", "run", "tmp", "var", "etc", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
            archive.folder(name)
        archive.device("dev/console", 5, 1)
        python = os.path.realpath(sys.executable)
        archive.data("init", f"#!{python} -B\nimport sys\nsys.path.insert(0, '{PLACE}/tests/kernels')\nimport inside\ninside.boot()\n".encode(), 0o755)
        archive.data(REQUEST, json.dumps(asked | {"patience": PATIENCE}).encode())
        _add_python(archive)
        archive.program(os.path.realpath(_which("ip")), "/usr/sbin/ip")
        for name in PROGRAMS:
            archive.program(f"{binaries}/{name}", f"{PLACE}/build/bin/{name}")
        for folder in SCRIPTS:
            for name in sorted(os.listdir(f"{REPOSITORY}/{folder}")):
                if name.endswith(".py"):
                    archive.file(f"{REPOSITORY}/{folder}/{name}", f"{PLACE}/{folder}/{name}")
        _add_modules(archive, kernel.modules)
        archive.close()


def _which(name):
    path = next((p for p in (f"/usr/sbin/{name}", f"/sbin/{name}", f"/usr/bin/{name}") if os.path.exists(p)), None)
    if not path:
        raise Broken(f"{name} is not installed (tools/dependencies installs it)")
    return path


# One thread for both processors: with one each, qemu may still run what the kernel has patched over meanwhile (a static key's int3, which nobody
# expects any more), and these stories turn such keys all the time.
ACCELERATOR = "tcg,thread=single"

# Nothing of it changes what the verifier says or what becomes of a packet: the kernel's own guards against its processor and its memory
# cost an emulated machine half of its time.
QUICK = "mitigations=off init_on_alloc=0 hardened_usercopy=off cgroup.memory=nokmem"


def examine(kernel, binaries, asked, seconds):
    """What inside.examine finds in the kernel when it is asked that, gathered. What did not come in time is missing, and `broken` says why."""
    with tempfile.TemporaryDirectory(prefix="nodewall-kernel-") as folder:
        _write_archive(f"{folder}/tree.cpio", kernel, binaries, asked)
        command = [_which("qemu-system-x86_64"), "-machine", "pc", "-accel", ACCELERATOR, "-cpu", "max", "-smp", "2", "-m", "2048",
                   "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", kernel.image, "-initrd", f"{folder}/tree.cpio",
                   "-append", f"console=ttyS0 loglevel=5 panic=-1 lockdown=confidentiality {QUICK}", "-serial", f"file:{folder}/console",
                   "-serial", f"file:{folder}/result"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
            ended = f"qemu ended with {done.returncode} before everything was told. {done.stderr}"
        except subprocess.TimeoutExpired:
            ended = f"the machine was not done after {seconds} s"
        result = inside.gathered(json.loads(line) for line in _read(f"{folder}/result").splitlines() if line.endswith("}"))
        result["console"] = _read(f"{folder}/console")
        if not result["complete"]:
            result.setdefault("broken", ended)
        elif result["release"] != kernel.release:
            result["broken"] = f"the machine runs {result['release']}, not {kernel.release}"
        return result


def _read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
