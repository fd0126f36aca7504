"""depth: several operations under way on each connection over TCP: FarFS by queues, Redis by redis-benchmark's pipelines, memcached by peer_bench's."""
from . import loads
from .settings import ALL, DEPTH, DEPTH_CONNECTIONS, DEPTH_SIZES, keys_of
from .stage import Stage
from .subjects import FarServer, Memcached, Redis

PART = "depth"
OPERATIONS = ("cold-get", "put")
REDIS_PER_SECOND = 250_000  # so many operations are a cell's time, about
CELLS = 3 * 2  # of a size and a number of connections


def plan(settings):
    cells = len(ALL) * len(DEPTH_SIZES) * len(DEPTH_CONNECTIONS) * settings.depth_rounds
    seconds = cells * (CELLS * settings.depth_seconds + 3 * loads.START_SECONDS) + len(ALL) * 2
    return f"{len(ALL)} placements x {len(DEPTH_SIZES)} sizes x {len(DEPTH_CONNECTIONS)} numbers of connections x {CELLS} cells of " \
           f"{settings.depth_seconds} s, {settings.depth_rounds} rounds", seconds


def case_of(name, connections):
    return f"{name}, {connections} connection{'s' if connections > 1 else ''}"


def _measure(bench, stage, placement, subjects, name, connections):
    far, redis, memcached = subjects
    size, seconds = DEPTH_SIZES[name], bench.settings.depth_seconds
    keys, case = keys_of(size), case_of(name, connections)
    count = int(REDIS_PER_SECOND * seconds)
    loaded = {
        "far": loads.far_bench(bench, stage, placement, far.addresses["tcp"], size, seconds, OPERATIONS, keys, connections, DEPTH),
        "redis": loads.redis_benchmark(stage, placement, redis.port, size, count, keys, connections, DEPTH),
        "memcached": loads.peer_bench(bench, stage, placement, "memcached", memcached.port, size, seconds, keys, connections, DEPTH)}
    for subject, figures in loaded.items():
        for op, values in figures.items():
            bench.results.add(PART, placement.name, case, f"{subject} {op}", {"ops": values["ops"]})


def run(bench):
    rounds = bench.settings.depth_rounds
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            subjects = FarServer(stage, bench.programs, placement.server, "512M"), Redis(stage, placement.server), Memcached(stage, placement.server)
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for name in DEPTH_SIZES:
                    for connections in DEPTH_CONNECTIONS:
                        _measure(bench, stage, placement, subjects, name, connections)
                stage.check()
