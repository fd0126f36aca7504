"""idle: what a server and mounts that have nothing to do use, and a server whose clients read one-sided."""
import os
import time

from .failure import Failure
from .settings import NOT_PINNED
from .stage import Stage
from .subjects import FarServer, mount_far

PART = "idle"
WATCH_SECONDS = 3
SETTLE_SECONDS = 1
FILES = 500


def plan(_settings):
    return f"{WATCH_SECONDS} s of nothing, then one-sided gets", WATCH_SECONDS + 3 * SETTLE_SECONDS + 3


def _ticks(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _run_ms(process):
    """Time on a CPU of all threads, finer than ticks."""
    folder = f"/proc/{process.pid}/task"
    total = 0
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def _watch(processes, seconds):
    before = {name: (_ticks(process), _run_ms(process)) for name, process in processes.items()}
    time.sleep(seconds)
    return {name: {"ticks": _ticks(process) - before[name][0], "run_ms": _run_ms(process) - before[name][1]}
            for name, process in processes.items()}


def _use(mount):
    """As much of a tree as makes caches, lanes and grants come into being."""
    for number in range(FILES):
        folder = os.path.join(mount, str(number % 10))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, str(number)), "wb") as file:
            file.write(bytes(10000))


def _idle(bench, stage, server):
    processes = {"server": server.process}
    for provider, address in server.addresses.items():
        _use(mount_far(stage, bench.programs, NOT_PINNED.daemon, provider, address))
        processes["mount over " + provider] = stage.processes["mount-" + provider]
    bench.results.add("memory", NOT_PINNED.name, "with two mounts", "far-server", {"bytes": server.memory_beside_pool()})
    time.sleep(SETTLE_SECONDS)
    for name, figures in _watch(processes, WATCH_SECONDS).items():
        bench.results.add(PART, NOT_PINNED.name, "idle", name, figures)


def _one_sided(bench, stage, server):
    client = stage.start_client(NOT_PINNED.client, [
        bench.programs.far, "-s", server.addresses["shm"], "bench", "--ops=warm-get", "--sizes=64", "--seconds=3"])
    time.sleep(SETTLE_SECONDS)
    figures = _watch({"server": server.process, "client": client}, 1)
    if figures["client"]["run_ms"] < 500:
        raise Failure("the client of one-sided gets did not run")
    bench.results.add(PART, NOT_PINNED.name, "one-sided gets", "server", figures["server"])


def run(bench):
    with Stage(bench.folder(), bench.cpus) as stage:
        server = FarServer(stage, bench.programs, NOT_PINNED.server, "256M")
        _idle(bench, stage, server)
        stage.check()
        _one_sided(bench, stage, server)
