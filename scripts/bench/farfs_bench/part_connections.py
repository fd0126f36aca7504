"""connections: 16 clients at once over TCP, each a thread with a connection and one operation under way."""
from . import loads
from .settings import CONNECTION_SIZES, CONNECTIONS, PINNED, SIZES, keys_of
from .stage import Stage
from .subjects import FarServer, Memcached, Redis

PART = "connections"
OPERATIONS = ("warm-get", "cold-get", "put")
CELLS = len(OPERATIONS) + 2 * 2  # of a size


def plan(settings):
    cells = len(PINNED) * len(CONNECTION_SIZES) * settings.connections_rounds
    seconds = cells * (CELLS * settings.connections_seconds + 3 * loads.START_SECONDS) + len(PINNED) * 2
    return f"{len(PINNED)} placements x {len(CONNECTION_SIZES)} sizes x {CELLS} cells of {settings.connections_seconds} s, " \
           f"{settings.connections_rounds} rounds", seconds


def _measure(bench, stage, placement, subjects, name):
    far, redis, memcached = subjects
    size, seconds, keys = SIZES[name], bench.settings.connections_seconds, keys_of(SIZES[name])
    figures = loads.far_bench(bench, stage, placement, far.addresses["tcp"], size, seconds, OPERATIONS, keys, CONNECTIONS)
    for op, values in figures.items():
        bench.results.add(PART, placement.name, name, "far " + op, values)
    for label, port in (("redis", redis.port), ("memcached", memcached.port)):
        figures = loads.peer_bench(bench, stage, placement, label, port, size, seconds, keys, CONNECTIONS)
        for op, values in figures.items():
            bench.results.add(PART, placement.name, name, f"{label} {op}", values)


def run(bench):
    rounds = bench.settings.connections_rounds
    for placement in PINNED:
        with Stage(bench.folder(), bench.cpus) as stage:
            subjects = (FarServer(stage, bench.programs, placement.server, "512M"), Redis(stage, placement.server),
                        Memcached(stage, placement.server))
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for name in CONNECTION_SIZES:
                    _measure(bench, stage, placement, subjects, name)
                stage.check()
