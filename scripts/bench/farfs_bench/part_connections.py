"""connections: 16 clients at once over TCP, each a thread with a connection and one operation under way."""
from . import loads
from .settings import ALL, CONNECTION_SIZES, CONNECTIONS, SIZES, keys_of
from .stage import Stage
from .subjects import FarServer, Memcached, start_redis_kind

PART = "connections"
OPERATIONS = ("warm-get", "cold-get", "put")
CELLS = len(OPERATIONS) + 3 * 2  # of a size


def plan(settings):
    cells = len(ALL) * len(CONNECTION_SIZES) * settings.connections_rounds
    seconds = cells * (CELLS * settings.connections_seconds + 4 * loads.START_SECONDS) + len(ALL) * 2
    return f"{len(ALL)} placements x {len(CONNECTION_SIZES)} sizes x {CELLS} cells of {settings.connections_seconds} s, " \
           f"{settings.connections_rounds} rounds", seconds


def _measure(bench, stage, placement, subjects, name):
    far, redis_kind, memcached = subjects
    size, seconds, keys = SIZES[name], bench.settings.connections_seconds, keys_of(SIZES[name])
    figures = loads.far_bench(bench, stage, placement, far.addresses["tcp"], size, seconds, OPERATIONS, keys, CONNECTIONS)
    for op, values in figures.items():
        bench.results.add(PART, placement.name, name, "far " + op, values)
    peers = [(label, "redis", server.port) for label, server in redis_kind.items()]
    for label, kind, port in [*peers, ("memcached", "memcached", memcached.port)]:
        figures = loads.peer_bench(bench, stage, placement, kind, port, size, seconds, keys, CONNECTIONS)
        for op, values in figures.items():
            bench.results.add(PART, placement.name, name, f"{label} {op}", values)


def run(bench):
    rounds = bench.settings.connections_rounds
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            subjects = (FarServer(stage, bench.programs, placement.server, "512M"), start_redis_kind(bench, stage, placement.server),
                        Memcached(stage, placement.server))
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for name in CONNECTION_SIZES:
                    _measure(bench, stage, placement, subjects, name)
                stage.check()
