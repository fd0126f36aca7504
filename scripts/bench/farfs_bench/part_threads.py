"""threads: a server with one I/O thread, and one with two, on the same two CPUs: 4 clients at once over TCP."""
from . import loads
from .settings import NOT_PINNED, SIZES, THREADS_CLIENTS, THREADS_OPERATIONS, THREADS_SIZES, keys_of
from .stage import Stage
from .subjects import FarServer

PART = "threads"
COUNTS = (1, 2)


def plan(settings):
    cells = len(COUNTS) * len(THREADS_SIZES) * settings.threads_rounds
    seconds = cells * (len(THREADS_OPERATIONS) * settings.threads_seconds + loads.START_SECONDS) + 2
    return f"{len(COUNTS)} servers x {len(THREADS_SIZES)} sizes x {len(THREADS_OPERATIONS)} cells of {settings.threads_seconds} s, " \
           f"{settings.threads_rounds} rounds", seconds


def run(bench):
    seconds = bench.settings.threads_seconds
    with Stage(bench.folder(), bench.cpus) as stage:
        servers = [(count, FarServer(stage, bench.programs, NOT_PINNED.server, "512M", f"far-server-{count}", options=("--io-threads", str(count))))
                   for count in COUNTS]
        for number in range(bench.settings.threads_rounds):
            bench.say(f"round {number + 1} of {bench.settings.threads_rounds}")
            for name in THREADS_SIZES:
                for count, server in servers if number % 2 == 0 else reversed(servers):
                    figures = loads.far_bench(bench, stage, NOT_PINNED, server.addresses["tcp"], SIZES[name], seconds, THREADS_OPERATIONS,
                                              keys_of(SIZES[name]), THREADS_CLIENTS)
                    for op, values in figures.items():
                        bench.results.add(PART, NOT_PINNED.name, name, f"{op} {count}", values)
            stage.check()
