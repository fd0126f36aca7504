"""expiry: what a great many objects whose time is over at one moment cost those who go on working (scripts/bench/expire_many.c)."""
import json

from .settings import ONE_CPU, TWO_CPUS
from .stage import Stage
from .subjects import FarServer

PART = "expiry"
POOL = "1G"
PLACEMENTS = {TWO_CPUS: 100_000, ONE_CPU: 50_000}  # and how many objects a second are stored, watched and cleared away there, at least
START_SECONDS = 3
TIMES = ("before", "meanwhile")


def plan(settings):
    seconds = settings.expiry_rounds * sum(START_SECONDS + settings.expiry_objects / each for each in PLACEMENTS.values())
    return f"{len(PLACEMENTS)} placements, {settings.expiry_objects:,} objects, {settings.expiry_rounds} rounds", seconds


def run(bench):
    rounds, count = bench.settings.expiry_rounds, bench.settings.expiry_objects
    for placement, per_second in PLACEMENTS.items():
        with Stage(bench.folder(), bench.cpus) as stage:
            server = FarServer(stage, bench.programs, placement.server, POOL)
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                out = json.loads(stage.client(placement.client, [bench.programs.expire_many, server.addresses["shm"], str(count)],
                                              START_SECONDS + count / per_second))
                for time in TIMES:
                    bench.results.add(PART, placement.name, "gets", time, out[time])
                bench.results.add(PART, placement.name, "sweep", "all", {"ms": out["swept_after_ms"]})
                stage.check()
