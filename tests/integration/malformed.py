"""Sends nonsense to a live tcp server and checks that it closes that connection and serves on.

usage: malformed.py PORT CASE, with the cases of the table at the end. Frames and messages are built from
fabric/tcp_frame.h and include/far/wire.h."""
import os
import re
import socket
import struct
import sys

MAGIC = 0x31504346
HELLO, SEND, READ, READ_REPLY, WRITE, COMPARE_SWAP, FETCH_ADD, ATOMIC_REPLY, NAK = range(1, 10)
WIRE_MAGIC = 0x3130305352414657
OP_HELLO, OP_PING, OP_STATFS, OP_FORGET, OP_GET, OP_PUT, OP_WATCH = 1, 2, 3, 4, 10, 11, 22
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../include/far/wire.h")) as header:
    WIRE_VERSION = int(re.search(r"#define FAR_WIRE_VERSION (\d+)U", header.read()).group(1))


def frame(kind, rkey=0, offset=0, length=0, magic=MAGIC):
    return struct.pack("<IIQQQ", magic, kind, rkey, offset, length)


def request(op, body=b"", flags=0, length=None, tag=7):
    whole = 16 + len(body)
    return struct.pack("<HHIQ", op, flags, whole if length is None else length, tag) + body


def message(data):
    return frame(SEND, length=len(data)) + data


def hello(magic=WIRE_MAGIC, version=WIRE_VERSION):
    return request(OP_HELLO, struct.pack("<QIIQQQHHIII64s32s", magic, version, os.getpid(), 0, 0, 0, 0, 0, 0, 0, 0, b"", b"malformed"))


class Lane:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read(self, length):
        data = b""
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def shake(self):
        self.send(frame(HELLO, 8192, 64, 1))
        assert struct.unpack("<IIQQQ", self.read(32))[1] == HELLO

    def join(self):
        """Both hellos; returns the pool's rkey and length."""
        self.shake()
        self.send(message(hello()))
        kind, length = struct.unpack("<IIQQQ", self.read(32))[1::3]
        reply = self.read(length)
        assert kind == SEND and struct.unpack_from("<H", reply, 2)[0] == 0, reply
        # far_hello_reply: header 24, wire_version, eager_limit, session, secret[2], boot_id, pool_rkey, pool_length
        return struct.unpack_from("<QQ", reply, 24 + 8 + 8 + 16 + 8)

    def must_close(self):
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass


def before_hello(data):
    def case(lane):
        lane.send(data)
        lane.must_close()
    return case


def after_hellos(make):
    def case(lane):
        pool = lane.join()
        lane.send(make(*pool))
        lane.must_close()
    return case


def first_message(data):
    def case(lane):
        lane.shake()
        lane.send(message(data))
        lane.must_close()
    return case


def truncated(lane):
    lane.join()
    lane.send(message(request(OP_PING))[:40])
    lane.socket.shutdown(socket.SHUT_WR)
    lane.must_close()


def never_reads(lane):
    """Asks for much and takes nothing: the server must not keep it all."""
    rkey, length = lane.join()
    lane.socket.settimeout(2)
    try:
        for _ in range(20000):
            lane.socket.sendall(frame(READ, rkey, 0, min(length, 4 << 20)))
    except (socket.timeout, ConnectionResetError, BrokenPipeError):
        pass


CASES = {
    "garbage": before_hello(os.urandom(4096)),
    "http": before_hello(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: somebody\r\n\r\n"),
    "wrong-magic": before_hello(frame(HELLO, 8192, 64, 1, magic=1)),
    "other-version": before_hello(frame(HELLO, 8192, 64, 99)),
    "tiny-message-size": before_hello(frame(HELLO, 16, 64, 1)),
    "huge-message-size": before_hello(frame(HELLO, 1 << 60, 64, 1)),
    "frame-before-hello": before_hello(message(request(OP_PING))),
    "request-before-hello": first_message(request(OP_PING)),
    "hello-wrong-magic": first_message(hello(magic=5)),
    "hello-short": first_message(hello()[:60]),
    "hello-twice": after_hellos(lambda rkey, length: message(hello())),
    "second-frame-hello": after_hellos(lambda rkey, length: frame(HELLO, 8192, 64, 1)),
    "unknown-frame": after_hellos(lambda rkey, length: frame(77)),
    "unknown-op": after_hellos(lambda rkey, length: message(request(63))),
    "op-out-of-table": after_hellos(lambda rkey, length: message(request(65535))),
    "length-too-long": after_hellos(lambda rkey, length: message(request(OP_PING, length=4000))),
    "length-too-short": after_hellos(lambda rkey, length: message(request(OP_PING, b"x" * 40, length=16))),
    "empty-message": after_hellos(lambda rkey, length: frame(SEND, length=0)),
    "message-shorter-than-header": after_hellos(lambda rkey, length: message(b"1234567")),
    "oversized-message": after_hellos(lambda rkey, length: frame(SEND, length=1 << 40)),
    "key-longer-than-message": after_hellos(
        lambda rkey, length: message(request(OP_GET, struct.pack("<QQQQQHHHH", 0, 0, 0, 0, 10, 4000, 0, 0, 0) + b"a"))),
    "watched-key-longer-than-message": after_hellos(lambda rkey, length: message(request(OP_WATCH, struct.pack("<IHH", 1, 4000, 0) + b"a"))),
    "watch-unknown-flags": after_hellos(lambda rkey, length: message(request(OP_WATCH, struct.pack("<IHH", 1, 1, 0) + b"a", flags=6))),
    "forget-count": after_hellos(lambda rkey, length: message(request(OP_FORGET, struct.pack("<II", 1 << 31, 0)))),
    "read-wrong-rkey": after_hellos(lambda rkey, length: frame(READ, rkey ^ 1 << 40, 0, 64)),
    "read-out-of-bounds": after_hellos(lambda rkey, length: frame(READ, rkey, length - 32, 64)),
    "read-wrapping": after_hellos(lambda rkey, length: frame(READ, rkey, (1 << 64) - 8, 64)),
    "read-huge": after_hellos(lambda rkey, length: frame(READ, rkey, 0, 1 << 63)),
    "write-to-the-pool": after_hellos(lambda rkey, length: frame(WRITE, rkey, 0, 8) + b"x" * 8),
    "atomic-without-right": after_hellos(lambda rkey, length: frame(FETCH_ADD, rkey, 64, 8) + b"\1" * 8),
    "atomic-misaligned": after_hellos(lambda rkey, length: frame(FETCH_ADD, rkey, 63, 8) + b"\1" * 8),
    "atomic-wrong-length": after_hellos(lambda rkey, length: frame(COMPARE_SWAP, rkey, 64, 8) + b"\1" * 8),
    "reply-to-nothing": after_hellos(lambda rkey, length: frame(READ_REPLY, 0, 0, 8) + b"x" * 8),
    "truncated": truncated,
    "never-reads": never_reads,
}

if __name__ == "__main__":
    if sys.argv[1] == "list":
        print("\n".join(CASES))
    else:
        CASES[sys.argv[2]](Lane(int(sys.argv[1])))
