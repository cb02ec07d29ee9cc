"""Network namespaces that clean up behind themselves.

A Namespace is called `nw<pid>-<role>` after the process that made it, so that runs do not disturb each other and what a killed run left
is known by its dead pid: sweep() removes it. `entered()` moves only the calling thread: a socket made inside stays in the namespace.
"""
import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_SO_NETNS_COOKIE = 71
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_BPFFS = ("/sys/fs/bpf", "/proc/1/root/sys/fs/bpf")
_NAME = re.compile(r"^nw(\d+)-")
LAB_PREFIX = "nodewall-lab-"  # of a lab's directory: prefix, pid, something of its own


class CommandFailed(Exception):
    pass


def run(*command, text_in=None, check=True, env=None):
    done = subprocess.run(command, input=text_in, capture_output=True, text=True, env=env)
    if check and done.returncode != 0:
        raise CommandFailed(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}exit code {done.returncode}")
    return done


def die_with_parent():
    """For subprocesses: SIGKILL when this process dies, however it dies."""
    _libc.prctl(1, signal.SIGKILL)


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self, role):
        self.name = f"nw{os.getpid()}-{role}"
        run("ip", "netns", "add", self.name)
        self._fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def entered(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _setns(self._fd)
        try:
            yield self
        finally:
            _setns(before)
            os.close(before)

    def socket(self, *args):
        with self.entered():
            return socket.socket(*args)

    def ip(self, *lines):
        """`ip -batch` with these lines; the first that fails raises."""
        run("ip", "-n", self.name, "-batch", "-", text_in="\n".join(lines) + "\n")

    def exec(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def sysctl(self, **values):
        with self.entered():
            for path, value in values.items():
                with open("/proc/sys/net/" + path.replace("__", "/"), "w") as file:
                    file.write(str(value))

    def set_up(self, interface):
        """Without a process in between: for measuring."""
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            name = interface.encode()
            flags = struct.unpack("16sH", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH14x", name, 0))[:18])[1]
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | _IFF_UP))

    def cookie(self):
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            return struct.unpack("Q", probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))[0]

    def pin_directory(self):
        """Where an engine of this namespace has its pins; nothing when there are none."""
        paths = [f"{bpffs}/nodewall-ns{self.cookie()}" for bpffs in _BPFFS]
        return next((path for path in paths if os.path.isdir(path)), None)

    def remove(self):
        for pid in run("ip", "netns", "pids", self.name, check=False).stdout.split():
            if int(pid) != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        if pins := self.pin_directory():
            shutil.rmtree(pins, ignore_errors=True)
        os.close(self._fd)
        run("ip", "netns", "del", self.name, check=False)


def _adopt(name):
    namespace = Namespace.__new__(Namespace)
    namespace.name = name
    namespace._fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    return namespace


def sweep():
    """Removes what processes that are dead by now left behind."""
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    for name in names:
        made_by = _NAME.match(name)
        if made_by and not os.path.exists(f"/proc/{made_by[1]}"):
            with contextlib.suppress(OSError):
                _adopt(name).remove()
    for name in os.listdir(tempfile.gettempdir()):
        made_by = re.match(LAB_PREFIX + r"(\d+)-", name)
        if made_by and not os.path.exists(f"/proc/{made_by[1]}"):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)
