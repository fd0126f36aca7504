"""eviction: puts of new keys on a full pool that evicts, beside the same server with room for all, and one that would refuse and has room for all. Each holds
as many objects, so that a put touches as much memory: what a put pays for is the eviction alone."""
import json

from . import loads
from .failure import Failure
from .settings import EVICTION_SIZES, SERVER_WAYS
from .stage import Stage
from .subjects import FarServer

PART = "eviction"
ROOMY_POOL = "1G"
SUBJECTS = {"full": "evict", "roomy": "evict", "refusing": "enospc"}  # what each does where there is no room
FILL_OBJECTS = 20_000  # are stored at first
FILL_PER_SECOND = 50_000  # at least, for time limits
WARM_UP_SECONDS = 0.1
DRIFT = 0.1  # of the objects, which may come and go while it is measured


def plan(settings):
    cells = len(SERVER_WAYS) * len(EVICTION_SIZES) * settings.eviction_rounds * len(SUBJECTS)
    seconds = cells * (2 * settings.eviction_seconds + WARM_UP_SECONDS + loads.START_SECONDS) + len(SERVER_WAYS) * len(EVICTION_SIZES) * 6
    return f"{len(SERVER_WAYS)} ways x {len(EVICTION_SIZES)} sizes x {len(SUBJECTS)} servers of {settings.eviction_seconds} s, " \
           f"{settings.eviction_rounds} rounds", seconds


def case_of(provider, name):
    return f"{provider}, {name}"


def _count(bench, stage, server):
    out = stage.client((0, 1), [bench.programs.far, "-s", server.addresses["shm"], "df", "--json"], 1)
    return json.loads(out)["objects"]


def _store(bench, stage, server, size, prefix, count):
    stage.client((0, 1), [bench.programs.far, "-s", server.addresses["shm"], "bench", "--ops=insert", "--keep", f"--prefix={prefix}", "--keys=1",
                          "--warm-up=0", f"--operations={count}", f"--sizes={size}"], count / FILL_PER_SECOND)


def _fill(bench, stage, servers, size):
    """The full one with twice as many each time, until some do not stay; the others with as many as it can hold."""
    full, held, stored, before = servers["full"], 0, 0, 0
    while held - before >= 0.9 * stored:
        before, stored = held, held or FILL_OBJECTS
        _store(bench, stage, full, size, f"fill-{before}", stored)
        held = _count(bench, stage, full)
    for name in ("roomy", "refusing"):
        _store(bench, stage, servers[name], size, "fill", held)


def _measure(bench, stage, way, servers, name, number):
    placement, provider = way
    names = list(SUBJECTS)
    for subject in names[number % len(names):] + names[:number % len(names)]:
        options = [f"--warm-up={WARM_UP_SECONDS}"]
        if subject == "full":  # what is deleted need not be evicted
            options += ["--keep", f"--prefix=round-{number}"]
        figures = loads.far_bench(bench, stage, placement, servers[subject].addresses[provider], EVICTION_SIZES[name], bench.settings.eviction_seconds,
                                  ("insert",), 1, options=options)
        bench.results.add(PART, placement.name, case_of(provider, name), subject, figures["insert"])


def _run(bench, way, name):
    placement, provider = way
    with Stage(bench.folder(), bench.cpus) as stage:
        servers = {subject: FarServer(stage, bench.programs, placement.server, bench.settings.eviction_pool if subject == "full" else ROOMY_POOL,
                                      "far-server-" + subject, options=("--full", full)) for subject, full in SUBJECTS.items()}
        _fill(bench, stage, servers, EVICTION_SIZES[name])
        before = {subject: _count(bench, stage, server) for subject, server in servers.items()}
        bench.say(f"{placement.name}, {case_of(provider, name)}: {before['full']:,} objects, {bench.settings.eviction_rounds} rounds")
        for number in range(bench.settings.eviction_rounds):
            _measure(bench, stage, way, servers, name, number)
            stage.check()
        for subject, server in servers.items():
            after = _count(bench, stage, server)
            if abs(after - before[subject]) > before["full"] * DRIFT:
                raise Failure(f"the server that is {subject} had {before[subject]:,} objects before it was measured, and {after:,} then")


def run(bench):
    for way in SERVER_WAYS:
        for name in EVICTION_SIZES:
            _run(bench, way, name)
