"""Processes that lock when they are told to, so that a test decides who waits for whom."""
import ctypes
import errno
import fcntl
import os
import pickle
import select
import signal
import struct
import time

RECORD, WAITING = fcntl.F_SETLK, fcntl.F_SETLKW
OFD_GET, OFD, OFD_WAITING = 36, 37, 38
READ, WRITE, NONE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
FORMAT = "hhqqi4x"
TO_END = 0
SOON_S = 0.3 * int(os.environ.get("slower", "1"))  # who has not come back by then waits
LATE_S = 20 * int(os.environ.get("slower", "1"))


libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# By libc itself: fcntl.fcntl would call again after a signal, and an exception of the handler's could come behind a call that has succeeded.
def record(fd, how, kind, start=0, length=TO_END):
    checked(libc.fcntl(fd, how, ctypes.create_string_buffer(struct.pack(FORMAT, kind, os.SEEK_SET, start, length, 0))))


def flock(fd, how):
    checked(libc.flock(fd, how))


def conflict(fd, kind, start=0, length=TO_END, how=fcntl.F_GETLK):
    """None, or (kind, start, length, pid) of the lock in the way."""
    answer = fcntl.fcntl(fd, how, struct.pack(FORMAT, kind, os.SEEK_SET, start, length, 0))
    found, _, start, length, pid = struct.unpack(FORMAT, answer)
    return None if found == NONE else (found, start, length, pid)


class Locker:
    """A process of its own. Its calls: open close dup record conflict flock write read sleep."""

    def __init__(self):
        here, there = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(here[1])
            os.close(there[0])
            try:
                self._serve(here[0], there[1])
            finally:
                os._exit(0)
        os.close(here[0])
        os.close(there[1])
        self.to, self.answers = here[1], there[0]

    @staticmethod
    def _serve(commands, answers):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        # Only the descriptors that it opens itself: others' ends of pipes must not live on here.
        for fd in range(3, 256):
            if fd not in (commands, answers):
                try:
                    os.close(fd)
                except OSError:
                    pass
        calls = {"record": record, "conflict": conflict, "flock": flock, "open": os.open, "close": os.close, "dup": os.dup,
                 "write": os.pwrite, "read": os.pread, "fork": Locker._fork}
        with os.fdopen(commands, "rb") as stream:
            while True:
                try:
                    name, arguments = pickle.load(stream)
                except EOFError:
                    return
                try:
                    result = (True, calls[name](*arguments))
                except OSError as error:
                    result = (False, error.errno)
                os.write(answers, pickle.dumps(result))

    @staticmethod
    def _fork():
        """A child that only has what this process has open, and lives until it is killed."""
        pid = os.fork()
        if pid == 0:
            time.sleep(3600)
        return pid

    def start(self, name, *arguments):
        os.write(self.to, pickle.dumps((name, arguments)))

    def waits(self):
        return not select.select([self.answers], [], [], SOON_S)[0]

    def answer(self):
        assert select.select([self.answers], [], [], LATE_S)[0], "no answer"
        data = os.read(self.answers, 65536)
        assert data, "it has ended"
        good, value = pickle.loads(data)
        if not good:
            raise OSError(value, os.strerror(value))
        return value

    def __getattr__(self, name):
        def call(*arguments):
            self.start(name, *arguments)
            return self.answer()

        return call

    def signal(self, number=signal.SIGUSR1):
        os.kill(self.pid, number)

    def end(self, number=None):
        """Ends it, by its own exit or by a signal, and waits until it has ended."""
        if number:
            os.kill(self.pid, number)
        os.close(self.to)
        os.close(self.answers)
        os.waitpid(self.pid, 0)


def first_to_answer(lockers):
    """One of those that have been told to wait, whichever is served first."""
    ready = select.select([locker.answers for locker in lockers], [], [], LATE_S)[0]
    assert ready, "nobody is served"
    return next(locker for locker in lockers if locker.answers == ready[0])


def eventually(call, *arguments, code=errno.EAGAIN, limit_s=LATE_S):
    """What another mount sees a moment later."""
    end = time.monotonic() + limit_s
    while True:
        try:
            return call(*arguments)
        except OSError as error:
            if error.errno != code or time.monotonic() > end:
                raise
        time.sleep(0.005)
