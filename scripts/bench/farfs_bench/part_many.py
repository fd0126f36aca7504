"""many: gets and puts of many keys in one call beside one call for each (scripts/bench/many_keys.c)."""
import json

from . import loads
from .settings import ALL, BATCH_KEYS
from .stage import Stage
from .subjects import FarServer

PART = "many"
SIZE = 64
PROVIDERS = ("shm", "tcp")
WAYS = 6  # of getting and putting


def plan(settings):
    cells = len(ALL) * len(PROVIDERS) * settings.many_rounds
    return f"{len(ALL)} placements x {len(PROVIDERS)} providers x {WAYS} ways of {settings.many_seconds} s, {settings.many_rounds} rounds", \
        cells * (WAYS * settings.many_seconds + loads.START_SECONDS) + len(ALL)


def run(bench):
    rounds, seconds = bench.settings.many_rounds, bench.settings.many_seconds
    for placement in ALL:
        with Stage(bench.folder(), bench.cpus) as stage:
            server = FarServer(stage, bench.programs, placement.server, "64M")
            for number in range(rounds):
                bench.say(f"{placement.name}, round {number + 1} of {rounds}")
                for provider in PROVIDERS:
                    out = stage.client(placement.client, [bench.programs.many_keys, server.addresses[provider], str(BATCH_KEYS), str(SIZE), str(seconds)],
                                       WAYS * seconds)
                    for way, ns in json.loads(out).items():
                        bench.results.add(PART, placement.name, provider, way, {"ns": ns})
                stage.check()
