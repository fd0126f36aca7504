"""A user at the terminal of `far repl`: repl_terminal.py prompt|completion|history|interrupt. $FAR is the program, $FARFS_SERVER its server."""
import fcntl
import os
import pty
import select
import signal
import stat
import struct
import sys
import termios
import time

LIMIT = 60  # an emulated machine takes its time


class Terminal:
    """One run of the program. What it writes is waited for, never for a time."""

    def __init__(self):
        self.seen = b""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(os.environ["FAR"], ["far", "repl"])
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.expect("far> ")

    def expect(self, text):
        """Waits until it has been written behind what was expected before, and returns what came until then."""
        end = time.monotonic() + LIMIT
        while text.encode() not in self.seen:
            assert time.monotonic() < end, (text, self.seen)
            if select.select([self.file], [], [], 0.5)[0]:
                self.seen += os.read(self.file, 4096)
        before, self.seen = self.seen.split(text.encode(), 1)
        return before.decode()

    def say(self, text):
        os.write(self.file, text.encode())

    def run(self, line):
        """Types a line; returns what is written until the next prompt."""
        self.say(line + "\r")
        self.expect("\n")
        return self.expect("far> ")

    def end(self, how="\x04"):
        """The exit status."""
        self.say(how)
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            if select.select([self.file], [], [], 0.05)[0]:
                try:
                    os.read(self.file, 4096)
                except OSError:
                    pass
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it does not end")


def prompt():
    terminal = Terminal()
    assert "first" in terminal.run("get models/alpha.bin")
    assert "missing" in terminal.run("get missing")  # and goes on
    assert terminal.run("") == ""
    assert "0x" not in terminal.run("get mod\x7fdels/alpha.bin")  # the erase key
    assert terminal.end() == 0
    assert Terminal().end("exit\r") == 0


def completion():
    """Judged by what the completed line does: how libedit moves the cursor to write it is its own matter."""
    terminal = Terminal()

    def first(line):
        assert "first" in terminal.run(line), line

    first("ge\tmod\talpha\t")
    first("get models/a\tha\t")  # the first completes what all have in common
    terminal.say("get models/al\t\t")  # there is no more: all are listed, and the line is there again
    terminal.expect("alpha.bin")
    terminal.expect("alpine.bin")
    assert "with" not in terminal.expect("far> ")
    first("i\t")
    first("get models/w\t")  # a blank is quoted
    first("get 'models/w\t")  # or stands in the quotes that are open, which are closed
    assert "models/alpha.bin" in terminal.run("ls --rec\t models")
    terminal.run("put two\tmodels/put")  # a file of this folder
    assert "other bytes" in terminal.run("get models/pu\t")
    terminal.run("rm models/put")
    assert terminal.run("nothing\t").count("no such command") == 1
    assert terminal.end() == 0


def history():
    path = os.environ["FARFS_HISTORY"]
    terminal = Terminal()
    terminal.run("get models/alpha.bin")
    terminal.run("version")
    assert terminal.end() == 0
    with open(path, encoding="utf-8") as file:
        assert file.read().splitlines()[-2:] == ["get models/alpha.bin", "version"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    terminal = Terminal()  # another run knows them
    terminal.say("\x1b[A")
    terminal.expect("version")
    terminal.say("\x1b[A")
    terminal.expect("get models/alpha.bin")
    terminal.say("\r")
    terminal.expect("first")
    terminal.expect("far> ")
    assert "far 0" in terminal.run("\x12vers")  # Ctrl-R
    assert terminal.end() == 0


def interrupt():
    terminal = Terminal()
    terminal.say("get not-to-be-run\x03")
    terminal.expect("far> ")
    assert "first" in terminal.run("get models/alpha.bin")
    terminal.say("ping -i 0.01 -c 1000000\r")  # a command that runs
    terminal.expect("answer 3")
    terminal.say("\x03")
    terminal.expect("answers, round trip")
    terminal.expect("far> ")
    terminal.say("ping -i 0.01 -c 1000000\r")  # and again: the first did not use up the key
    terminal.expect("answer 3")
    terminal.say("\x03")
    terminal.expect("answers, round trip")
    terminal.expect("far> ")
    assert "first" in terminal.run("get models/alpha.bin")
    assert terminal.end() == 0


{"prompt": prompt, "completion": completion, "history": history, "interrupt": interrupt}[sys.argv[1]]()
