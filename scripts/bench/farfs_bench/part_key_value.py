"""kv: one client, one operation under way, at four sizes: FarFS over both providers, Redis, memcached."""
from . import loads
from .settings import PINNED, SIZES, keys_of
from .stage import Stage
from .subjects import FarServer, Memcached, Redis

PART = "kv"
OPERATIONS = ("warm-get", "cold-get", "put")
CELLS = 2 * len(OPERATIONS) + 3 * 2  # of a size


def plan(settings):
    cells = len(PINNED) * len(SIZES) * settings.key_value_rounds
    seconds = cells * (CELLS * settings.key_value_seconds + 5 * loads.START_SECONDS) + len(PINNED) * 2
    return f"{len(PINNED)} placements x {len(SIZES)} sizes x {CELLS} cells of {settings.key_value_seconds} s, " \
           f"{settings.key_value_rounds} rounds", seconds


def _measure(bench, stage, placement, subjects, name):
    far, redis, memcached = subjects
    size, seconds, keys = SIZES[name], bench.settings.key_value_seconds, keys_of(SIZES[name])
    for provider, address in far.addresses.items():
        for op, figures in loads.far_bench(bench, stage, placement, address, size, seconds, OPERATIONS, keys).items():
            bench.results.add(PART, placement.name, name, f"far {provider} {op}", figures)
    for label, kind, address in (("redis unix", "redis", "unix:" + redis.socket), ("redis tcp", "redis", redis.port),
                                 ("memcached tcp", "memcached", memcached.port)):
        for op, figures in loads.peer_bench(bench, stage, placement, kind, address, size, seconds, keys).items():
            bench.results.add(PART, placement.name, name, f"{label} {op}", figures)


def run(bench):
    rounds = bench.settings.key_value_rounds
    for placement in PINNED:
        with Stage(bench.folder(), bench.cpus) as stage:
            far = FarServer(stage, bench.programs, placement.server, "1G")
            subjects = far, Redis(stage, placement.server), Memcached(stage, placement.server)
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for name in SIZES:
                    _measure(bench, stage, placement, subjects, name)
                stage.check()
            bench.results.add("memory", placement.name, "after kv", "far-server", {"bytes": far.memory_beside_pool()})
