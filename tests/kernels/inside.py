"""What is asked of a kernel, in it: the verifier's word on each program, then stories with real packets.

examine() does it on the running kernel. boot() is the first process of a machine that machine.py made: it makes a system of the initial
file tree, examines, writes the result to the second serial port and switches off.
"""
import concurrent.futures
import ctypes
import json
import os
import subprocess
import sys
import termios
import time
import traceback

PLACE = "/nodewall"  # in a machine: the project's files, as in the repository
MODULES = "/modules"  # in a machine: modules to load, in the order of their names
REQUEST = "/request.json"
RESULT_PORT = "/dev/ttyS1"


def examine(binaries, repository, stories, programs=(), patience=1):
    """Yields what is found, one thing at a time: {"release": ...}, {"program": ...} of programs.cc with the options `programs` (None: it is
    not run), {"story": ...}. Programs and stories go side by side: the verifier has one processor, the stories another."""
    yield {"release": os.uname().release}
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        told = [beside.submit(_tell, binaries, repository, name, patience) for name in stories]
        if programs is not None:
            with subprocess.Popen([f"{binaries}/nodewall_programs", *programs], stdout=subprocess.PIPE, text=True) as verified:
                for line in verified.stdout:
                    yield {"program": json.loads(line)}
        for story in told:
            yield {"story": story.result()}


def _tell(binaries, repository, name, patience):
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-B", f"{repository}/tests/netns/run.py", "--binaries", binaries, name], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"NODEWALL_PATIENCE": str(patience)})
    return {"name": name, "passed": done.returncode == 0 and "passed: " in done.stdout, "seconds": time.monotonic() - started,
            "output": done.stdout}


def gathered(findings):
    """The findings as one result. `complete`: the last one came."""
    result = {"programs": [], "stories": [], "complete": False}
    for finding in findings:
        for kind, found in finding.items():
            if kind == "program":
                result["programs"].append(found)
            elif kind == "story":
                result["stories"].append(found)
            else:
                result[kind] = found
    return result


_libc = ctypes.CDLL(None, use_errno=True)
_SYS_FINIT_MODULE = 313  # x86-64
_POWER_OFF = 0x4321FEDC


def _mount(kind, where):
    os.makedirs(where, exist_ok=True)
    if _libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {where}")


def _load_modules():
    for name in sorted(os.listdir(MODULES)):
        with open(f"{MODULES}/{name}", "rb") as module:
            if _libc.syscall(_SYS_FINIT_MODULE, module.fileno(), b"", 0) != 0:
                raise OSError(ctypes.get_errno(), f"load {name}")


def _system():
    for kind, where in (("proc", "/proc"), ("sysfs", "/sys"), ("securityfs", "/sys/kernel/security"), ("devtmpfs", "/dev"), ("tmpfs", "/run"),
                        ("tmpfs", "/tmp"), ("bpf", "/sys/fs/bpf")):
        _mount(kind, where)
    os.environ |= {"PATH": "/usr/sbin:/usr/bin", "HOME": "/", "LC_ALL": "C"}


def boot():
    _system()
    with open(RESULT_PORT, "w") as port:
        def tell(finding):
            port.write(json.dumps(finding) + "\n")
            port.flush()

        try:
            _load_modules()
            with open(REQUEST) as request:
                asked = json.load(request)
            for finding in examine(f"{PLACE}/build/bin", PLACE, **asked):
                tell(finding)
            tell({"complete": True})
        except Exception:
            tell({"broken": traceback.format_exc()})
        termios.tcdrain(port)
    _libc.reboot(_POWER_OFF)
