"""The figures that a server is to reach while it does more than answer: evicts, expires, tells its figures."""
from .part_eviction import case_of
from .part_metrics import OPERATIONS
from .settings import EVICTION_SIZES
from .target import Target, by_placement

EXTRA_US = 1000  # that objects which expire at once may add to what others wait; a get that took longer is a slow one


def _eviction(results):
    for provider in ("shm", "tcp"):
        for case in (case_of(provider, name) for name in EVICTION_SIZES):
            yield Target(f"puts of new keys, {case}: throughput of a full pool that evicts / one with room", 0.9, True, " x", by_placement(
                lambda place, case=case: results.ratio(*(("eviction", place, case, subject, "ops") for subject in ("full", "roomy")))))


def _expiry(results, settings):
    for metric, words, bound, unit in (("p99.9", "p99.9", EXTRA_US, " us"), ("slow_per_s", "slow (> 1 ms)", 0, " a second")):
        yield Target(f"shm, gets while {settings.expiry_objects:,} objects expire at once: {words}, less that before", bound, False, unit, by_placement(
            lambda place, metric=metric: results.difference(*(("expiry", place, "gets", time, metric) for time in ("meanwhile", "before")))))


def _metrics(results, settings):
    for provider in ("shm", "tcp"):
        for op, label in OPERATIONS.items():
            yield Target(f"{provider}, {label} of 64 B, metrics asked for every {settings.metrics_seconds} s: throughput / without", 0.98, True, " x", by_placement(
                lambda place, provider=provider, op=op: results.ratio(*(("metrics", place, provider, f"{op} {subject}", "ops") for subject in ("on", "off")))))


def targets(results, settings):
    return [*_eviction(results), *_expiry(results, settings), *_metrics(results, settings)]
