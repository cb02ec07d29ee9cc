"""Real packets: servers that echo, and probes that ask whether a port is open.

A probe sends one first packet (TCP SYN, UDP datagram, ICMP echo request) and waits for the answer. "open": it came. "closed": nothing
came in time. "refused": the other side answered that nobody listens. Many probes run at once, so a table of them takes one time-out.
"""
import errno
import os
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

OPEN, CLOSED, REFUSED = "open", "closed", "refused"
_REFUSALS = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)


class EchoServers:
    """Answers on TCP and UDP ports in any number of namespaces, both families, from one thread."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._wake, wake_other = socket.socketpair()
        self._selector.register(wake_other, selectors.EVENT_READ, None)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def listen(self, namespace, tcp=(), udp=()):
        for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
            for port in ports:
                server = namespace.socket(socket.AF_INET6, kind)
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("::", port))
                server.setblocking(False)
                if kind == socket.SOCK_STREAM:
                    server.listen(128)
                self._selector.register(server, selectors.EVENT_READ, self._accept if kind == socket.SOCK_STREAM else self._datagram)
        self._wake.send(b"x")

    def close(self):
        self._stopping = True
        self._wake.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
        self._wake.close()

    def _serve(self):
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.data is None:
                    key.fileobj.recv(64)
                else:
                    key.data(key.fileobj)

    def _accept(self, server):
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, self._stream)

    def _stream(self, connection):
        try:
            data = connection.recv(4096)
            if data:
                connection.send(data)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._selector.unregister(connection)
        connection.close()

    @staticmethod
    def _datagram(server):
        try:
            data, peer = server.recvfrom(4096)
            server.sendto(data, peer)
        except OSError:
            pass


@dataclass(frozen=True)
class Target:
    namespace: object = field(repr=False)
    protocol: str  # tcp, udp, icmp
    address: str
    port: int = 0
    source: str = ""

    @property
    def family(self):
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


_sequence = 0


def _next_identifier():
    global _sequence
    _sequence = (_sequence + 1) & 0xFFFF
    return (os.getpid() * 7 + _sequence) & 0xFFFF


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class _Attempt:
    """One first packet on its way."""

    def __init__(self, target):
        self.target = target
        self.answer = None
        kinds = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0)}
        v6 = target.family == socket.AF_INET6
        icmp = (socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
        self.socket = target.namespace.socket(target.family, *kinds.get(target.protocol, icmp))
        self.socket.setblocking(False)
        if target.source:
            self.socket.bind((target.source, 0))
        try:
            getattr(self, "_send_" + target.protocol)(v6)
        except OSError as error:
            self.answer = REFUSED if error.errno in _REFUSALS else CLOSED

    def _send_tcp(self, _):
        code = self.socket.connect_ex((self.target.address, self.target.port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "connect")

    def _send_udp(self, _):
        self.socket.connect((self.target.address, self.target.port))
        self.socket.send(b"probe")

    def _send_icmp(self, v6):
        self._identifier = _next_identifier()
        head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, self._identifier, 1)
        if not v6:
            head = struct.pack("!BBHHH", 8, 0, _checksum(head), self._identifier, 1)
        self.socket.connect((self.target.address, 0))
        self.socket.send(head)

    @property
    def events(self):
        return selectors.EVENT_WRITE if self.target.protocol == "tcp" else selectors.EVENT_READ

    def read(self):
        try:
            if self.target.protocol == "tcp":
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self.answer = OPEN if code == 0 else REFUSED if code in _REFUSALS else CLOSED
                return
            data = self.socket.recv(2048)
            if self.target.protocol == "udp" or self._is_reply(data):
                self.answer = OPEN
        except OSError as error:
            self.answer = REFUSED if error.errno in _REFUSALS else CLOSED

    def _is_reply(self, data):
        if self.target.family == socket.AF_INET:
            data = data[(data[0] & 15) * 4 :]
        kind, identifier = data[0], struct.unpack("!H", data[4:6])[0]
        return kind in (0, 129) and identifier == self._identifier


def probe(targets, timeout=0.3):
    """{target: "open" | "closed" | "refused"}, all asked at once."""
    attempts = [_Attempt(target) for target in targets]
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        waiting = 0
        for attempt in attempts:
            if attempt.answer is None:
                selector.register(attempt.socket, attempt.events, attempt)
                waiting += 1
        in_time = True
        while waiting and in_time:
            # Once more after the time-out: this process may have been kept waiting itself.
            in_time = (left := deadline - time.monotonic()) > 0
            for key, _ in selector.select(max(left, 0)):
                key.data.read()
                if key.data.answer is not None:
                    selector.unregister(key.fileobj)
                    waiting -= 1
    for attempt in attempts:
        attempt.socket.close()
    return {attempt.target: attempt.answer or CLOSED for attempt in attempts}
