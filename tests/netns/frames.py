"""Frames written byte by byte, which no socket would send.

    wire = Wire(node.client, "c-eth0")
    wire.send(0, ipv4("10.77.0.1", "10.77.0.2", UDP, udp("10.77.0.1", "10.77.0.2", 4000, 53, b"data")))
"""
import ipaddress
import socket
import struct

UDP, ICMPV6, FRAGMENT = 17, 58, 44


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return ipaddress.ip_address(address).packed


def ipv4(source, destination, protocol, body, identifier=1, offset=0, more=False, ttl=64):
    """`offset` in bytes."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), identifier, (0x2000 if more else 0) | offset // 8, ttl, protocol, 0)
    head += packed(source) + packed(destination)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def ipv6(source, destination, next_header, body, hop_limit=64):
    return struct.pack("!IHBB", 6 << 28, len(body), next_header, hop_limit) + packed(source) + packed(destination) + body


def fragment_header(next_header, identifier, offset, more):
    return struct.pack("!BBHI", next_header, 0, offset | more, identifier)


def _summed(source, destination, protocol, body, at):
    pseudo = packed(source) + packed(destination) + struct.pack("!II", len(body), protocol)
    return body[:at] + struct.pack("!H", checksum(pseudo + body) or 0xFFFF) + body[at + 2:]


def udp(source, destination, source_port, port, data=b""):
    return _summed(source, destination, UDP, struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data, 6)


def icmpv6(source, destination, kind, body):
    return _summed(source, destination, ICMPV6, struct.pack("!BBH", kind, 0, 0) + body, 2)


def fragments(source, destination, protocol, body, identifier, size=1200):
    """The packet in pieces of `size` bytes, first to last."""
    made = []
    for offset in range(0, len(body), size):
        part, more = body[offset:offset + size], offset + size < len(body)
        if ":" in source:
            made.append(ipv6(source, destination, FRAGMENT, fragment_header(protocol, identifier, offset, more) + part))
        else:
            made.append(ipv4(source, destination, protocol, part, identifier, offset, more))
    return made


class Wire:
    """A raw socket at an interface: whole frames, from the client's end of a link (its number) to the node's."""

    def __init__(self, namespace, interface):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind((interface, 0))

    def send(self, number, *packets):
        for packet in packets:
            self.send_to(bytes((2, 0x77, 0, 0, number, 2)), packet)

    def send_to(self, mac, packet):
        kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        self._socket.send(mac + bytes((2, 0x77, 0, 0, 0, 1)) + struct.pack("!H", kind) + packet)

    def close(self):
        self._socket.close()
