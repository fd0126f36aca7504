"""objects: a get among very many small objects against one among few, and the bytes that each takes."""
import json

from . import loads, object_peers
from .failure import Failure
from .settings import FEW_OBJECTS, TWO_CPUS
from .stage import Stage
from .subjects import FarServer

PART = "objects"
WARM_KEYS = 500_000  # of the many, when the client remembers their places: learning those of all would take minutes
LOADS_PER_SECOND = 500_000  # at least; for the plan and for time limits
KEY = 16
VALUE = 64
CASES = {"shm asked": ("shm", "cold"), "tcp asked": ("tcp", "cold"), "shm one-sided": ("shm", "warm")}


def plan(settings):
    seconds = settings.objects_rounds * 2 * len(CASES) * (settings.objects_seconds + 2 * loads.START_SECONDS)
    seconds += settings.objects_rounds * 2 * min(WARM_KEYS, settings.objects) / LOADS_PER_SECOND
    seconds += settings.objects * 4 / LOADS_PER_SECOND + 5
    return f"{settings.objects:,} objects of {VALUE} bytes in a pool of {settings.objects_pool}, " \
           f"{settings.objects_rounds} rounds of {settings.objects_seconds} s", seconds


def _many_objects(bench, stage, seconds, *arguments):
    return json.loads(stage.client(TWO_CPUS.client, [bench.programs.many_objects, *map(str, arguments)], seconds))


def _space(bench, stage, server):
    return json.loads(stage.client(TWO_CPUS.client, [bench.programs.far, "-s", server.addresses["shm"], "df", "--json"], 1))


def _load(bench, stage, server, count, case="load"):
    """Stores so many, and adds what each takes: of the pool, and of the server's other memory."""
    before, heap = _space(bench, stage, server), server.memory_beside_pool()
    figures = _many_objects(bench, stage, count / LOADS_PER_SECOND, server.addresses["shm"], "load", count)
    after = _space(bench, stage, server)
    if after["objects"] - before["objects"] < count:
        raise Failure(f"{after['objects'] - before['objects']} objects are there after storing {count}")
    figures["bytes"] = (before["free"] - after["free"]) / count
    figures["all_bytes"] = figures["bytes"] + (server.memory_beside_pool() - heap) / count
    bench.say(f"{count:,} objects stored in {figures['seconds']:.1f} s, {figures['all_bytes']:.0f} bytes each")
    bench.results.add(PART, TWO_CPUS.name, case, count, figures)


def _get(bench, stage, server, count, case):
    provider, temperature = CASES[case]
    keys = min(count, WARM_KEYS) if temperature == "warm" else count
    seconds = bench.settings.objects_seconds
    figures = _many_objects(bench, stage, seconds + 2 * keys / LOADS_PER_SECOND, server.addresses[provider], "get", count, keys,
                            seconds, temperature)
    if temperature == "warm" and provider == "shm" and figures["one_sided"] < 0.98:
        raise Failure(f"only {figures['one_sided']:.0%} of the one-sided gets were so")
    bench.results.add(PART, TWO_CPUS.name, case, count, figures)


def _far(bench):
    settings = bench.settings
    with Stage(bench.folder(), bench.cpus) as stage:
        servers = {FEW_OBJECTS: FarServer(stage, bench.programs, TWO_CPUS.server, "64M", "far-server-few"),
                   settings.objects: FarServer(stage, bench.programs, TWO_CPUS.server, settings.objects_pool, "far-server-many")}
        for count, server in servers.items():
            _load(bench, stage, server, count)
        for number in range(settings.objects_rounds):
            bench.say(f"gets, round {number + 1} of {settings.objects_rounds}")
            for case in CASES:
                for count, server in servers.items():
                    _get(bench, stage, server, count, case)
            stage.check()
        for count, server in servers.items():
            bench.results.add("memory", TWO_CPUS.name, f"with {count:,} objects", "far-server",
                              {"bytes": server.memory_beside_pool()})


def _far_that_evicts(bench):
    """It remembers what is to go first, in memory beside the pool."""
    settings = bench.settings
    with Stage(bench.folder(), bench.cpus) as stage:
        server = FarServer(stage, bench.programs, TWO_CPUS.server, settings.objects_pool, options=("--full", "evict"))
        bench.say("the same in a server that could evict")
        _load(bench, stage, server, settings.objects, "load, evict")


def run(bench):
    _far(bench)
    _far_that_evicts(bench)
    bench.say("the same in Redis and memcached")
    for name, count_bytes in object_peers.ALL.items():
        bench.results.add(PART, TWO_CPUS.name, "peers", name, {"all_bytes": count_bytes(bench, bench.settings.objects, KEY, VALUE)})
