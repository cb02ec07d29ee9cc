#!/usr/bin/env python3
"""Writes the seeds that are bytes: corpus/program (frames with their control bytes), corpus/image and corpus/readback (policy images).

    make_seeds.py       writes them beside itself; the layouts are told in program_fuzzer.cc, image_fuzzer.cc and maps/policy.h
"""
import os
import re
import socket
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
XDP, TC_INGRESS, TC_EGRESS, TC_FORWARDED, TAG, SEGMENTS = 0, 1, 2, 3, 4, 8
PAUSE_SHORT, PAUSE_FRAGMENT, PAUSE_LONG, OTHER_POLICY = 0x10, 0x20, 0x30, 0x40
L3, LOOPBACK, UNGOVERNED, KEEP, DAMAGED, UNTRACKED, FORWARD, SERVICES = 1, 2, 4, 8, 16, 32, 64, 128
HOST4, PEER4, HOST6, PEER6 = "10.0.0.2", "10.1.0.9", "fd00::2", "fd09::9"


def write(folder, name, data):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    with open(os.path.join(HERE, folder, name), "wb") as out:
        out.write(data)


def ethernet(ethertype, payload, tags=()):
    between = b"".join(struct.pack("!HH", tag, 5) for tag in tags)
    return b"\x02" * 6 + b"\x04" * 6 + between + struct.pack("!H", ethertype) + payload


def ipv4(source, destination, protocol, payload, fragment=0, options=b""):
    header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 77, fragment, 64, protocol, 0)
    return header + socket.inet_aton(source) + socket.inet_aton(destination) + options + payload


def ipv6(source, destination, following, payload, hops=64):
    return (struct.pack("!IHBB", 6 << 28, len(payload), following, hops) + socket.inet_pton(socket.AF_INET6, source) +
            socket.inet_pton(socket.AF_INET6, destination) + payload)


def tcp(source, destination, flags):
    return struct.pack("!HHIIBBHHH", source, destination, 1, 1, 5 << 4, flags, 1000, 0, 0)


def udp(source, destination, data=b"data"):
    return struct.pack("!HHHH", source, destination, 8 + len(data), 0) + data


def icmp(kind, code, rest=b"\0\x07\0\1"):
    return struct.pack("!BBH", kind, code, 0) + rest


def scene(flags, *packets):
    out = bytes([flags])
    for control, split, frame in packets:
        out += bytes([control, split]) + struct.pack("<H", len(frame)) + frame
    return out


def v4(*arguments, **options):
    return ethernet(0x0800, ipv4(*arguments, **options))


def v6(*arguments, **options):
    return ethernet(0x86DD, ipv6(*arguments, **options))


def tcp_flow(wrap, host, peer, flags=0):
    """SYN, SYN with ACK, ACK, data under another policy, FIN, FIN, RST."""
    into = lambda bits: wrap(peer, host, 6, tcp(40000, 80, bits))
    out = lambda bits: wrap(host, peer, 6, tcp(80, 40000, bits))
    return scene(flags, (XDP, 255, into(2)), (TC_EGRESS, 255, out(18)), (TC_INGRESS, 60, into(16)),
                 (XDP | OTHER_POLICY | PAUSE_SHORT, 255, into(24)), (XDP, 255, into(17)), (TC_EGRESS, 255, out(17)),
                 (XDP, 255, into(4)), (XDP | PAUSE_LONG, 255, into(16)))


def program_seeds():
    yield "tcp-v4", tcp_flow(v4, HOST4, PEER4)
    yield "tcp-v6", tcp_flow(v6, HOST6, PEER6)
    yield "tcp-kept", tcp_flow(v4, HOST4, PEER4, KEEP)
    yield "tcp-damaged-image", tcp_flow(v4, HOST4, PEER4, DAMAGED)
    yield "tcp-no-endpoint", tcp_flow(v4, HOST4, PEER4, UNGOVERNED)
    l3 = [(XDP, 255, ipv4(PEER4, HOST4, 17, udp(53, 999))), (TC_INGRESS, 30, ipv6(PEER6, HOST6, 6, tcp(1, 80, 2)))]
    yield "l3", scene(L3, *l3)
    away4, away6 = "192.0.2.5", "fd99::5"
    through = lambda flags, wrap, peer, away: scene(
        flags, (XDP, 255, wrap(peer, away, 6, tcp(40000, 80, 2))), (TC_FORWARDED, 255, wrap(away, peer, 6, tcp(80, 40000, 18))),
        (TC_FORWARDED, 255, wrap(peer, away, 6, tcp(40000, 80, 2))), (TC_INGRESS, 255, wrap(away, peer, 6, tcp(80, 40000, 18))),
        (XDP | OTHER_POLICY, 255, wrap(peer, away, 6, tcp(40000, 80, 16))), (TC_INGRESS, 255, wrap(away, peer, 6, tcp(80, 40000, 16))))
    yield "forward-v4", through(FORWARD, v4, PEER4, away4)
    yield "forward-v6", through(FORWARD | UNTRACKED, v6, PEER6, away6)
    yield "untracked", scene(UNTRACKED, (XDP, 255, v4(PEER4, HOST4, 17, udp(9, 53))), (TC_EGRESS, 255, v4(HOST4, PEER4, 17, udp(53, 9))),
                             (XDP, 255, v4(PEER4, HOST4, 6, tcp(5, 22, 2))), (XDP, 255, v4(PEER4, HOST4, 1, icmp(3, 1, ipv4(HOST4, PEER4, 17, udp(53, 9))))))
    yield "service", scene(FORWARD | SERVICES, (XDP, 255, v4(PEER4, HOST4, 6, tcp(5, 8052, 2))), (XDP, 255, v4(PEER4, HOST4, 6, tcp(5, 8058, 2))),
                           (TC_FORWARDED, 255, v4(HOST4, PEER4, 6, tcp(8058, 5, 18))), (XDP, 255, v4(PEER4, HOST4, 6, tcp(5, 8058, 16))))
    yield "loopback", scene(LOOPBACK, (XDP, 255, v4("127.0.0.1", "127.0.0.1", 17, udp(1, 53))))
    yield "failsafe", scene(0, (XDP, 255, v4("10.9.0.1", HOST4, 6, tcp(5, 22, 2))), (TC_EGRESS, 255, v4(HOST4, PEER4, 17, udp(67, 68))))
    yield "udp-answer", scene(0, (TC_EGRESS, 255, v4(HOST4, PEER4, 17, udp(9, 53))), (XDP, 255, v4(PEER4, HOST4, 17, udp(53, 9))))
    yield "echo", scene(0, (XDP, 255, v4(PEER4, HOST4, 1, icmp(8, 0))), (TC_EGRESS, 255, v4(HOST4, PEER4, 1, icmp(0, 0))),
                        (XDP, 255, v6(PEER6, HOST6, 58, icmp(128, 0))))
    quoted = ipv4(HOST4, PEER4, 6, tcp(7, 443, 2))
    yield "icmp-error", scene(0, (TC_EGRESS, 255, ethernet(0x0800, quoted)),
                              (XDP, 255, v4("10.3.0.1", HOST4, 1, icmp(3, 1, b"\0\0\0\0") + quoted[:28])))
    quoted6 = ipv6(HOST6, PEER6, 6, tcp(7, 443, 2))
    yield "icmp-error-v6", scene(0, (TC_EGRESS, 255, ethernet(0x86DD, quoted6)),
                                 (XDP, 255, v6("fd09::1", HOST6, 58, icmp(2, 0, b"\0\0\5\0") + quoted6)))
    first = v4(PEER4, HOST4, 17, udp(53, 9, b"x" * 16), fragment=0x2000)
    later = v4(PEER4, HOST4, 17, b"y" * 8, fragment=3)
    yield "fragments", scene(0, (XDP, 255, first), (TC_INGRESS, 40, later), (XDP | PAUSE_FRAGMENT, 255, later))
    fragment = lambda offset: struct.pack("!BBHI", 17, 0, offset, 9)
    yield "fragments-v6", scene(0, (XDP, 255, v6(PEER6, HOST6, 44, fragment(1) + udp(53, 9))),
                                (XDP, 255, v6(PEER6, HOST6, 44, fragment(24) + b"z" * 8)))
    chain = b"\x2b\0\1\4\0\0\0\0" + b"\x3c\0\4\0\0\0\0\0" + b"\6\0\1\4\0\0\0\0"
    yield "extensions", scene(0, (XDP, 50, v6(PEER6, HOST6, 0, chain + tcp(1, 80, 2))),
                              (XDP, 255, v6(PEER6, HOST6, 51, b"\6\4" + b"\0" * 22 + tcp(1, 80, 2))))
    yield "options", scene(0, (XDP, 34, v4(PEER4, HOST4, 17, udp(53, 9), options=b"\x07\x07\4\0\0\0\0\0")),
                           (TC_INGRESS, 255, v4(PEER4, HOST4, 17, udp(53, 9), options=b"\x83\x07\4\0\0\0\0\0")))
    yield "options-full", scene(0, (XDP, 255, v4(PEER4, HOST4, 17, udp(53, 9), options=b"\1" * 39 + b"\7")))
    inner = ipv4(PEER4, HOST4, 17, udp(53, 9))
    yield "tags", scene(0, (XDP, 16, ethernet(0x0800, inner, (0x8100,))), (TC_INGRESS | TAG, 255, ethernet(0x0800, inner, (0x88A8,))),
                        (XDP, 255, ethernet(0x0800, inner, (0x88A8, 0x8100, 0x8100))))
    yield "not-ip", scene(0, (XDP, 255, ethernet(0x0806, b"\0" * 28)), (XDP, 255, ethernet(20, b"\xaa\xaa\3\0\0\0\x08\0" + inner)),
                          (XDP, 255, ethernet(0x8847, inner)), (TC_INGRESS, 9, ethernet(0x8864, inner)))
    yield "neighbour", scene(0, (XDP, 255, v6("fe80::1", "ff02::1:ff00:2", 58, icmp(135, 0), hops=255)),
                             (XDP, 255, v6("fe80::1", "ff02::16", 0, b"\x3a\0\5\2\0\0\1\0" + icmp(143, 0), hops=1)))
    yield "forwarded", scene(0, (XDP, 255, v4(PEER4, "10.7.0.1", 6, tcp(1, 2, 2))), (TC_FORWARDED, 255, v4(HOST4, PEER4, 6, tcp(9, 8, 2))),
                             (XDP, 255, v4(PEER4, HOST4, 6, tcp(8, 9, 18))))
    whole = ipv4(PEER4, HOST4, 6, tcp(1, 80, 2))
    yield "segments", scene(0, (TC_INGRESS | SEGMENTS, 255, ethernet(0x0800, whole[:2] + b"\0\0" + whole[4:])))
    yield "martian", scene(0, (XDP, 255, v4("127.0.0.1", HOST4, 17, udp(1, 2))), (XDP, 255, v6("::ffff:1.2.3.4", HOST6, 17, udp(1, 2))))
    yield "sctp", scene(0, (XDP, 255, v4(PEER4, HOST4, 132, udp(1, 2))), (XDP, 255, v4(PEER4, HOST4, 47, b"\0" * 8)))
    # More flows than the machine's tables hold, each confirmed.
    crowd = []
    for port in range(4):
        crowd += [(XDP, 255, v4(PEER4, HOST4, 6, tcp(port, 80, 2))), (TC_EGRESS, 255, v4(HOST4, PEER4, 6, tcp(80, port, 18))),
                  (XDP, 255, v4(PEER4, HOST4, 6, tcp(port, 80, 16)))]
    yield "crowd", scene(0, *crowd)


TREE, LOW, PORT_TABLE, NO_MATCH = 1 << 30, 2 << 30, 1 << 31, 0x3FFFFFFF
RADIX, LIST, ROW = 1 << 30, 2 << 30, 3 << 30
NO_COUNTER = 0xFFFFFFFF
FURTHER = 42  # line


def dimension(number):
    return number << 28


def query(is_v6=0, is_egress=0, protocol=6, slot=0, source_port=40000, destination_port=80, source=PEER4, destination=HOST4):
    pack = (lambda a: socket.inet_pton(socket.AF_INET6, a)) if is_v6 else (lambda a: b"\0" * 10 + b"\xff\xff" + socket.inet_aton(a))
    return (struct.pack("<BBHHH", is_v6 | is_egress << 1, protocol, slot, source_port, destination_port) + pack(source) + pack(destination))


def line(*words):
    return struct.pack("<16I", *(words + (0,) * (16 - len(words))))


def header_of(**fields):
    """By the names of maps/policy.h, so that a field that comes or goes there moves the others here too. The fuzzers make magic and version."""
    with open(os.path.join(HERE, "../../../maps/policy.h"), encoding="utf-8") as text:
        body = re.search(r"struct nw_image_header {(.*?)};", text.read(), re.DOTALL).group(1)
    names = re.findall(r"__u32 (\w+);", body)
    unknown = fields.keys() - set(names)
    assert not unknown, f"struct nw_image_header has no {unknown}"
    return line(*(fields.get(name, 0) for name in names))


def image(roots, further, v4=(0, 1), v6_root=2, protocol=(3, 0)):
    """header | protocols 1..32 | endpoint 33..40, the same for all variants and chains | rules 41 | further lines from 42 on"""
    header = header_of(line_count=FURTHER + len(further), v4_root=v4[0], v4_class=v4[1], v6_root=v6_root, protocol_base=1, endpoint_base=33,
                       endpoint_slots=1, rule_base=41, rule_count=4, chains=0xFFFFFFFF, needs=0xF)
    protocols = b"".join(line(*(protocol * 8)) for _ in range(32))
    rules = b"".join(struct.pack("<BBHI", verdict, reason, 0, counter)
                     for verdict, reason, counter in ((1, 1, 0), (0, 1, 1), (2, 0, NO_COUNTER), (3, 0, NO_COUNTER)))
    return header + protocols + line(*((roots + (2,)) * 4)) * 8 + rules.ljust(64, b"\0") + b"".join(further)


def image_seeds():
    plain = (NO_MATCH,) * 3
    yield "default-rule", query() + image(plain, [])
    yield "leaf", query() + image((0, NO_MATCH, 1), [])
    listed = line(*([3, 9] + [0xFFFFFFFF] * 5 + [0, 1] + [NO_MATCH] * 6))
    yield "list", query() + image((LIST | dimension(2) | FURTHER, NO_MATCH, NO_MATCH), [listed])
    yield "radix", query() + image((RADIX | dimension(0) | FURTHER, NO_MATCH, NO_MATCH),
                                   [line(*[RADIX | dimension(1) | 1 << 24 | (FURTHER + 1)] * 16), line(*range(16))])
    yield "row", query() + image((NO_MATCH, ROW | dimension(3) | FURTHER, NO_MATCH), [line(*[0] * 16)])
    yield "loop", query() + image((RADIX | dimension(0) | FURTHER, NO_MATCH, NO_MATCH), [line(*[RADIX | dimension(0) | FURTHER] * 16)])
    keys = [fd << 48 for fd in (0xFD00, 0xFD09, 0xFE80)] + [2 ** 64 - 1] * 2
    high = struct.pack("<5Q6I", *keys, 0, LOW | (FURTHER + 1), 2, 3, 3, 3)
    low = struct.pack("<5Q6I", 1, 2, 3, 2 ** 64 - 1, 2 ** 64 - 1, 0, 1, 2, 3, 3, 3)
    yield "tree-v6", query(is_v6=1, source=PEER6, destination=HOST6) + image(plain, [high, low], v6_root=TREE | FURTHER)
    node = struct.pack("<10H11I", *range(1, 11), *range(11))
    roots = [line(*[TREE | (FURTHER + 1) if i % 2 else 1] * 16) for i in range(1)]
    yield "tree-v4", query(source="0.10.0.3", destination="0.1.0.9") + image(plain, roots + [node], v4=(FURTHER, 0))
    ports = [line(*[0x00010000] * 16) for _ in range(6)]
    yield "ports", query() + image(plain, ports, protocol=(PORT_TABLE | FURTHER, PORT_TABLE | FURTHER))


def readback_seeds():
    """As verify meets them: protocol, slot, port and address in front, as readback_fuzzer.cc has them."""
    for name, data in image_seeds():
        yield name, struct.pack("<BHH", 6, 0, 80) + data[8:24] + data[40:]


def main():
    for folder, seeds in (("program", program_seeds), ("image", image_seeds), ("readback", readback_seeds)):
        for name, data in seeds():
            write(folder, name, data)


main()
