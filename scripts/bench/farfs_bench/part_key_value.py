"""kv: one client, one operation under way, at four sizes: FarFS over both providers, Redis, Valkey, memcached."""
from . import loads
from .settings import ALL, keys_of, sizes_of
from .stage import Stage
from .subjects import FarServer, Memcached, start_redis_kind

PART = "kv"
OPERATIONS = ("warm-get", "cold-get", "put")
CELLS = 2 * len(OPERATIONS) + 5 * 2  # of a size


def plan(settings):
    sizes = sum(len(sizes_of(placement)) for placement in ALL)
    seconds = sizes * settings.key_value_rounds * (CELLS * settings.key_value_seconds + 7 * loads.START_SECONDS) + len(ALL) * 2
    return f"{sizes} sizes in {len(ALL)} placements x {CELLS} cells of {settings.key_value_seconds} s, " \
           f"{settings.key_value_rounds} rounds", seconds


def _measure(bench, stage, placement, subjects, name):
    far, redis_kind, memcached = subjects
    size, seconds = sizes_of(placement)[name], bench.settings.key_value_seconds
    keys = keys_of(size)
    for provider, address in far.addresses.items():
        for op, figures in loads.far_bench(bench, stage, placement, address, size, seconds, OPERATIONS, keys).items():
            bench.results.add(PART, placement.name, name, f"far {provider} {op}", figures)
    peers = [("memcached tcp", "memcached", memcached.port)]
    for label, server in redis_kind.items():
        peers += [(label + " unix", "redis", "unix:" + server.socket), (label + " tcp", "redis", server.port)]
    for label, kind, address in peers:
        for op, figures in loads.peer_bench(bench, stage, placement, kind, address, size, seconds, keys).items():
            bench.results.add(PART, placement.name, name, f"{label} {op}", figures)


def run(bench):
    rounds = bench.settings.key_value_rounds
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            far = FarServer(stage, bench.programs, placement.server, "1G")
            subjects = far, start_redis_kind(bench, stage, placement.server), Memcached(stage, placement.server)
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for name in sizes_of(placement):
                    _measure(bench, stage, placement, subjects, name)
                stage.check()
            bench.results.add("memory", placement.name, "after kv", "far-server", {"bytes": far.memory_beside_pool()})
