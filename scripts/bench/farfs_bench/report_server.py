"""What a server does besides answering, in docs/benchmarks.md: it evicts, expires, tells its figures."""
from .part_eviction import case_of
from .part_expiry import PLACEMENTS, TIMES
from .part_metrics import OPERATIONS
from .settings import EVICTION_SIZES, SERVER_WAYS
from .tables import around, micro, number, spread, table


def _eviction(results, settings):
    if not results.ran("eviction"):
        return []
    rows = []
    for placement, provider in SERVER_WAYS:
        for name in EVICTION_SIZES:
            keys = {subject: ("eviction", placement.name, case_of(provider, name), subject) for subject in ("full", "roomy", "refusing")}
            full, roomy, refusing = ((*key, "ops") for key in keys.values())
            rows.append([f"{placement.name}, {case_of(provider, name)}", spread(results.ratio(full, roomy)), spread(results.ratio(full, refusing)),
                         *(around(results.spread(*key)) for key in (full, roomy, refusing)), *(micro(results.median(*key, "p50")) for key in keys.values())])
    return ["## Puts to a full pool", "",
            f"Puts of new keys (`far bench --ops=insert`), one client, one operation under way, {settings.eviction_rounds} rounds of {settings.eviction_seconds} s: operations a second, and p50 in us. *Full*: `--full=evict` with a pool of "
            f"{settings.eviction_pool} that had been evicting before it was measured, and goes on. *With room*: `--full=evict`, and *enospc*: `--full=enospc`, each with a larger pool that has room throughout; it holds as many objects of the same size, so that "
            "an operation meets as much memory, and what is put is deleted after each round. All with `--prefault`.", "",
            *table(["", "full / with room", "full / enospc", "full", "with room", "enospc", "p50: full", "with room", "enospc"], rows)]


def _expiry(results, settings):
    if not results.ran("expiry"):
        return []
    rows = []
    for placement in PLACEMENTS:
        for time in TIMES:
            key = ("expiry", placement.name, "gets", time)
            rows.append([f"{placement.name}, {time}", *(number(results.median(*key, metric)) for metric in ("p50", "p99", "p99.9")),
                         *(spread(results.spread(*key, metric)) for metric in ("max", "slow_per_s", "gets"))])
    swept = ", ".join(f"{placement.name}: {spread(results.spread('expiry', placement.name, 'sweep', 'all', 'ms'))} ms" for placement in PLACEMENTS)
    return [f"## {settings.expiry_objects:,} objects that expire at once", "",
            f"`scripts/bench/expire_many.c`, {settings.expiry_rounds} rounds: one client gets objects that stay, one by one over shared memory, each by asking the server; for 2 s before the moment at which the others end, and then until all of these "
            "have been cleared away. Times in us. *Slow*: of more than 1 ms, a second: a virtual machine has such delays of its own, so it says something only beside the time before, and so does the longest. Meanwhile a get waits for the step of "
            f"the sweep that is under way (0.1 ms at most), so there are fewer of them. Until all were cleared away: {swept}.", "",
            *table(["", "p50", "p99", "p99.9", "longest", "slow", "gets"], rows)]


def _metrics(results, settings):
    if not results.ran("metrics"):
        return []
    rows = []
    for placement, provider in SERVER_WAYS:
        for op, label in OPERATIONS.items():
            on, off = (("metrics", placement.name, provider, f"{op} {subject}", "ops") for subject in ("on", "off"))
            rows.append([f"{placement.name}, {provider}, {label}", spread(results.ratio(on, off)), around(results.spread(*on)), around(results.spread(*off))])
    return ["## Metrics", "",
            f"Operations a second of 64 B (gets ask the server), one client, one operation under way, {settings.metrics_rounds} rounds of {settings.metrics_seconds} s: a server with `--metrics` that is asked for them every {settings.metrics_seconds} s, and one without. "
            "What it counts it counts in any case; what `--metrics` adds is to publish and to tell it.", "",
            *table(["", "with / without", "with", "without"], rows)]


def section(results, settings):
    return [*_eviction(results, settings), *_expiry(results, settings), *_metrics(results, settings)]
