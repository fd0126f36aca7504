"""Plays the service manager: starts a server with $NOTIFY_SOCKET and checks what it tells, and when.

usage: notified.py FAR_SERVER FAR ADDRESS. Ends with 0 if the server told READY=1 once it could be reached, and STOPPING=1 when it was to end."""
import os
import socket
import struct
import subprocess
import sys
import tempfile

SECONDS = 20


def receive(manager, server):
    """The lines of the next message, which must come from the server's own process: a manager believes no other."""
    text, control, _, _ = manager.recvmsg(4096, 128)
    pids = [struct.unpack("3i", value)[0] for level, kind, value in control if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)]
    assert pids == [server.pid], (pids, server.pid)
    print(text)
    return text.decode().splitlines()


def check(manager, server, ready, far):
    lines = receive(manager, server)
    assert "READY=1" in lines and "STOPPING=1" not in lines, lines
    address = ready.readline().strip()
    subprocess.run([far, "ping", "-c", "1", "-s", address], check=True, timeout=SECONDS)
    server.terminate()
    lines = receive(manager, server)
    assert "STOPPING=1" in lines, lines
    assert server.wait(SECONDS) == 0, server.returncode


def main(program, far, address):
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.path.join(folder, "notify"))
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.settimeout(SECONDS)
        read_end, write_end = os.pipe()
        server = subprocess.Popen(
            [program, "--pool", "16M", "--listen", address, "--no-shm", "--ready-fd", str(write_end)],
            pass_fds=[write_end],
            env={**os.environ, "NOTIFY_SOCKET": manager.getsockname()},
        )
        os.close(write_end)
        try:
            with open(read_end) as ready:
                check(manager, server, ready, far)
        finally:
            server.kill()
            server.wait()


main(*sys.argv[1:])
