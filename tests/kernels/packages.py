"""Kernels of distributions, unpacked and never installed.

apt fetches them, with lists and sources of its own under the cache: signatures and hashes are checked, and the machine's own apt is not
touched. What is in the cache stays until `update` is asked for, so a second run needs no network.
"""
import fcntl
import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass


class Unavailable(Exception):
    """A kernel could not be fetched."""


@dataclass(frozen=True)
class Kernel:
    name: str
    sources: tuple  # (address, suite)
    meta: str  # the package that depends on the newest kernel
    image: str  # a pattern: which of its dependencies is the kernel
    keyring: str = "/usr/share/keyrings/debian-archive-keyring.gpg"


def _debian(name, suite):
    return Kernel(name, (("http://deb.debian.org/debian", suite), ("http://deb.debian.org/debian-security", f"{suite}-security")),
                  meta="linux-image-cloud-amd64", image=r"linux-image-\d\S*")


KERNELS = {kernel.name: kernel for kernel in (_debian("6.1", "bookworm"), _debian("6.12", "trixie"))}


@dataclass(frozen=True)
class Unpacked:
    release: str
    image: str  # the bootable file
    modules: str  # the folder with modules.dep
    package: str  # with its version


def fetch(kernel, cache, update=False):
    """The kernel, unpacked in the cache; fetched when it is not there, or when `update` says so. A fetch that fails changes nothing."""
    place = os.path.join(os.path.abspath(cache), kernel.name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if update or not os.path.exists(place):
            shutil.rmtree(f"{place}.new", ignore_errors=True)
            _fetch(kernel, f"{place}.new")
            _unpacked(f"{place}.new")
            shutil.rmtree(place, ignore_errors=True)
            os.rename(f"{place}.new", place)
        return _unpacked(place)


def _fetch(kernel, folder):
    if not os.path.exists(kernel.keyring):
        raise Unavailable(f"the kernel {kernel.name} is checked with {kernel.keyring}, which is not there (tools/dependencies installs it)")
    packages = os.path.join(folder, "packages")
    os.makedirs(packages)
    apt = _Apt(kernel, os.path.join(folder, "apt"))
    apt.run("apt-get", "-q", "update")
    depends = re.search(r"^Depends: (.*)$", apt.run("apt-cache", "--no-all-versions", "show", kernel.meta), re.M)
    names = re.split(r",\s*|\s*\|\s*", re.sub(r" \([^)]*\)", "", depends[1])) if depends else []
    name = next((name for name in names if re.fullmatch(kernel.image, name)), None)
    if not name:
        raise Unavailable(f"the kernel {kernel.name}: {kernel.meta} depends on no kernel, but on {names}")
    apt.run("apt-get", "-q", "download", name, cwd=packages)
    for package in glob.glob(os.path.join(packages, "*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, os.path.join(folder, "root")], check=True)
    shutil.rmtree(os.path.join(folder, "apt"))


class _Apt:
    """apt with sources, lists and caches of its own."""

    def __init__(self, kernel, folder):
        self._kernel = kernel
        for needed in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(folder, needed))
        with open(os.path.join(folder, "sources.list"), "w") as sources:
            for address, suite in kernel.sources:
                sources.write(f"deb [arch=amd64 signed-by={kernel.keyring}] {address} {suite} main\n")
        settings = {"Dir::Etc::sourcelist": f"{folder}/sources.list", "Dir::Etc::sourceparts": "-", "Dir::Etc::preferences": "-",
                    "Dir::Etc::preferencesparts": "-", "Dir::State": folder, "Dir::State::lists": f"{folder}/lists",
                    "Dir::State::status": "/dev/null", "Dir::Cache": f"{folder}/cache", "APT::Architecture": "amd64",
                    "APT::Architectures": "amd64", "APT::Default-Release": "", "APT::Sandbox::User": "", "APT::Update::Error-Mode": "any",
                    "Acquire::Languages": "none", "Acquire::Retries": "3", "Acquire::http::Timeout": "30"}
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def run(self, command, *arguments, cwd=None):
        done = subprocess.run([command, *self._options, *arguments], capture_output=True, text=True, cwd=cwd, env=os.environ | {"LC_ALL": "C"})
        if done.returncode != 0:
            raise Unavailable(f"the kernel {self._kernel.name} could not be fetched from {self._kernel.sources[0][0]}; it is needed once, then it"
                              f" is in the cache.\n$ {command} {' '.join(arguments)}\n{(done.stdout + done.stderr)[-2000:]}")
        return done.stdout


def _unpacked(folder):
    root = os.path.join(folder, "root")
    images = glob.glob(f"{root}/boot/vmlinuz-*")
    modules = glob.glob(f"{root}/lib/modules/*") + glob.glob(f"{root}/usr/lib/modules/*")
    packages = [os.path.basename(path) for path in sorted(glob.glob(f"{folder}/packages/*.deb"))]
    if len(images) != 1 or len(modules) != 1 or not packages:
        raise Unavailable(f"{folder} has not one kernel with its modules: {images} {modules} {packages}; remove it and try again")
    return Unpacked(os.path.basename(modules[0]), images[0], modules[0], packages[0].removesuffix(".deb"))
