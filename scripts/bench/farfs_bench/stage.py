"""Servers, mounts and clients that live together. Leaving a stage ends all of them, whatever happened on it."""
import ctypes
import os
import signal
import subprocess
import time

from .failure import Failure

READY_SECONDS = 10
END_SECONDS = 10
LOG_LINES = 30
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Stage:
    def __init__(self, folder, cpus):
        self.folder = folder
        self.cpus = cpus
        self.processes = {}  # by name, in order of their start
        self.mounts = []
        self.time = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        old = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            for mount in reversed(self.mounts):
                self._unmount(mount)
            for process in reversed(self.processes.values()):
                end(process)
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    @staticmethod
    def _unmount(mount):
        try:
            result = subprocess.run(["umount", mount], timeout=END_SECONDS, stderr=subprocess.DEVNULL, check=False)
            if result.returncode == 0:
                return
        except subprocess.TimeoutExpired:
            pass
        subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL, check=False)

    def path(self, name):
        return os.path.join(self.folder, name)

    def _pinned(self, cpus, command):
        return ["taskset", "-c", ",".join(str(self.cpus[cpu]) for cpu in cpus), *command]

    # --- what stays ---

    def start(self, name, cpus, command, is_ready, seconds=READY_SECONDS, **keywords):
        """Starts a process and waits until is_ready() says so."""
        with open(self.path(name + ".log"), "wb") as log:
            process = subprocess.Popen(self._pinned(cpus, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=die_with_parent, **keywords)
        self.processes[name] = process
        deadline = time.monotonic() + seconds
        while not is_ready():
            if process.poll() is not None:
                raise Failure(f"{name} ended with status {process.returncode} before it was ready" + self.log_of(name))
            if time.monotonic() > deadline:
                raise Failure(f"{name} was not ready within {seconds} s" + self.log_of(name))
            time.sleep(0.02)
        return process

    def mount(self, name, cpus, command):
        """Starts a daemon that mounts on the folder of that name, and waits until it has."""
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        self.mounts.append(path)
        self.start(name, cpus, [*command], lambda: os.path.ismount(path))
        return path

    def mount_tmpfs(self, name):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        self.mounts.append(path)
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=False).returncode or not os.path.ismount(path):
            raise Failure("cannot mount a tmpfs")
        return path

    def check(self):
        """Everything that was started still runs: what was measured was it."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise Failure(f"{name} ended with status {process.returncode} while it was measured" + self.log_of(name))
        for path in self.mounts:
            if not os.path.ismount(path):
                raise Failure(f"the mount {os.path.basename(path)} is gone")

    def log_of(self, name):
        with open(self.path(name + ".log"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[-LOG_LINES:]
        return f"\n--- log of {name} ---\n" + ("\n".join(lines) or "(empty)")

    # --- what ends by itself ---

    def client(self, cpus, command, seconds, meanwhile=None):
        """Runs a command that should take about so long; returns what it prints. Meanwhile: (every so many seconds, what is called)."""
        limit = 3 * seconds + 30
        with subprocess.Popen(self._pinned(cpus, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL, preexec_fn=die_with_parent) as process:
            try:
                out, said = wait_for(process, limit, meanwhile or (limit, lambda: None))
            except subprocess.TimeoutExpired:
                raise Failure(f"no end within {limit:.0f} s: {' '.join(command)}" + self._all_logs()) from None
            finally:
                process.kill()  # nothing, where it has ended
        if process.returncode:
            raise Failure(f"status {process.returncode} from: {' '.join(command)}\n{said.strip()}" + self._all_logs())
        return out

    def start_client(self, cpus, command):
        """One that runs meanwhile; what it prints is lost."""
        process = subprocess.Popen(self._pinned(cpus, command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.processes[f"client {process.pid}"] = process
        return process

    def _all_logs(self):
        return "".join(self.log_of(name) for name in self.processes if not name.startswith("client "))


def wait_for(process, limit, meanwhile):
    """What it writes. TimeoutExpired after so many seconds."""
    every, call = meanwhile
    deadline = time.monotonic() + limit
    while True:
        try:
            return process.communicate(timeout=every)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
        call()


def end(process):
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
