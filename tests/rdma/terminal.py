"""A user at the terminal of `scripts/rdma-vm shell`: terminal.py SCRIPT"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

LIMIT = 200
end = time.monotonic() + LIMIT
terminal, user_side = pty.openpty()  # kept open, to see what state the script leaves it in
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(user_side, termios.TIOCSCTTY, 0)
    for descriptor in range(3):
        os.dup2(user_side, descriptor)
    os.execv(sys.argv[1], [sys.argv[1], "--time-limit", str(LIMIT), "shell"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
before = termios.tcgetattr(user_side)
seen = b""


def expect(text):
    global seen
    while text not in seen:
        assert time.monotonic() < end, (text, seen)
        if not select.select([terminal], [], [], 1)[0]:
            continue
        more = os.read(terminal, 4096)
        sys.stdout.buffer.write(more)
        seen += more
    seen = seen[seen.index(text) + len(text):]


def say(text):
    os.write(terminal, text)


expect(b"# ")
say(b"echo $((6*7))-; stty size; tty\r")
expect(b"42-\r\n")
expect(b"33 111\r\n")
expect(b"/dev/hvc0\r\n")
# The keys that make signals are the shell's in there, not the script's.
say(b"sleep 1000\r")
expect(b"sleep 1000")
time.sleep(2)
say(b"\x03")
expect(b"# ")
say(b"echo status-$?\r")
expect(b"status-130\r\n")
say(b"exit 5\r")
while True:
    assert time.monotonic() < end, seen
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        break
    if select.select([terminal], [], [], 0.2)[0]:
        sys.stdout.buffer.write(os.read(terminal, 4096))
assert os.waitstatus_to_exitcode(status) == 5, status
assert termios.tcgetattr(user_side) == before, (before, termios.tcgetattr(user_side))
