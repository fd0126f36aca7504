"""metrics: a server that tells its figures over HTTP, and is asked for them all the time, beside one that does not."""
import urllib.request

from . import loads
from .failure import Failure
from .settings import SERVER_WAYS, SIZES, keys_of
from .stage import Stage
from .subjects import FarServer

PART = "metrics"
SIZE = "64 B"
OPERATIONS = {"cold-get": "get", "put": "put"}
SUBJECTS = {"off": (), "on": ("--metrics=127.0.0.1:0",)}


def plan(settings):
    cells = len(SERVER_WAYS) * len(SUBJECTS) * settings.metrics_rounds
    return f"{len(SERVER_WAYS)} ways x {len(SUBJECTS)} servers x {len(OPERATIONS)} cells of {settings.metrics_seconds} s, {settings.metrics_rounds} rounds", \
        cells * (len(OPERATIONS) * settings.metrics_seconds + loads.START_SECONDS) + len(SERVER_WAYS)


def _scrape(url):
    """By this process: so it disturbs the measurement like any other of the machine."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            text = reply.read()
    except OSError as error:
        raise Failure(f"{url}: {error}") from None
    if b"farfs_operations_total" not in text:
        raise Failure(f"{url} tells nothing of operations")


def _measure(bench, stage, way, server, subject):
    placement, provider = way
    seconds, size = bench.settings.metrics_seconds, SIZES[SIZE]
    meanwhile = (seconds, lambda: _scrape(server.metrics)) if server.metrics else None
    figures = loads.far_bench(bench, stage, placement, server.addresses[provider], size, seconds, OPERATIONS, keys_of(size), meanwhile=meanwhile)
    for op, values in figures.items():
        bench.results.add(PART, placement.name, provider, f"{op} {subject}", values)


def run(bench):
    rounds = bench.settings.metrics_rounds
    for way in SERVER_WAYS:
        placement, provider = way
        with Stage(bench.folder(), bench.cpus) as stage:
            servers = [(subject, FarServer(stage, bench.programs, placement.server, "64M", "far-server-" + subject, options=options))
                       for subject, options in SUBJECTS.items()]
            bench.say(f"{placement.name}, {provider}: {rounds} rounds")
            for number in range(rounds):
                for subject, server in servers if number % 2 == 0 else reversed(servers):
                    _measure(bench, stage, way, server, subject)
                stage.check()
