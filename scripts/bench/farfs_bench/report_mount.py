"""What the mount part measured, as the document shows it."""
from .settings import ALL
from .tables import around, micro, spread, table
from .workloads import EVERY, RANDOM, WORKLOADS

PART = "mount"
PAIRS = (("shm", "null"), ("shm ring", "null ring"), ("shm ring", "null"), ("tcp", "null"), ("tcp ring", "null ring"), ("shm ring", "tmpfs"), ("shm alone", "tmpfs"), ("tcp ring", "sshfs"))
LABELS = {RANDOM: [workload.label for workload in WORKLOADS if workload.file == RANDOM],
          None: [workload.label for workload in WORKLOADS if workload.file != RANDOM]}
MIB = 1 << 20


def _intro(settings):
    return ["## The mount", "",
            f"fio on a file of 256 MiB that is there, {settings.mount_rounds} rounds: 4 KiB at random for {settings.mount_seconds} s a cell, sequential and buffered {settings.mount_sequential_seconds} s. "
            "One job with one operation under way unless said otherwise; *16 at once* by io_uring; *mixed* is 70 % reads; all past the page cache (O_DIRECT) unless *buffered*. What is measured can be run on any directory: "
            "`fio --directory=/mnt/far --runtime=5 scripts/bench/fio/random-4k.fio`, and so `sequential.fio` and `buffered.fio` there.", "",
            "The null FUSE file system (`scripts/bench/nullfs.c`) answers from its own memory, through the same channel with the same settings and as many threads: what a mount costs beyond it is FarFS's own. tmpfs is what "
            "the kernel does without FUSE. sshfs is of a tmpfs, over ssh to this machine; it answers a write before the server has, so only its reads are shown. *Ring*: by FUSE over io_uring, whose threads stay on a processor each "
            "and serve those who run there; else by /dev/fuse. *Alone*: `-o cache=alone`, by /dev/fuse, where the kernel may trust its cache; the others ask before each read from it whether it is still good, so that other mounts' changes are seen.", "",
            "How to read it: the first table of a placement holds file systems against each other, operations a second over operations a second: 1 is as fast, 2 twice as fast. Then the figures themselves, with half of their spread, "
            "and for 4 KiB the time of a single operation: the half, 99 of 100, and 999 of 1,000 took no longer. First read: nothing of the file is in the page cache. Re-read: all of it is, and a file system is asked for little or nothing. What fills the page cache, or writes by it, spreads wide where the machine is virtual and pages new to it are dear.", ""]


def _ratios(results, place, names):
    pairs = [(over, under) for over, under in PAIRS if over in names and under in names]
    rows = [[case, *(spread(results.ratio((PART, place, case, over, "ops"), (PART, place, case, under, "ops"))) for over, under in pairs)]
            for case in results.cases(PART, place)]
    return table(["", *(f"{over} / {under}" for over, under in pairs)], rows)


def _figures(results, place, names, labels, metric, scale):
    rows = [[case, *(around(results.spread(PART, place, case, name, metric), scale) for name in names)]
            for case in results.cases(PART, place) if case in labels]
    return table(["", *names], rows)


def _times(results, place, case, name, prefix):
    times = [results.median(PART, place, case, name, prefix + quantile) for quantile in ("p50", "p99", "p99.9")]
    return "" if times[0] is None else " / ".join(micro(time) for time in times)


def _latencies(results, place, names):
    rows = []
    for case in results.cases(PART, place):
        if case not in LABELS[RANDOM]:
            continue
        sides = [(": reads", ""), (": writes", "write ")] if "mixed" in case else [("", "")]
        rows += [[case + words, *(_times(results, place, case, name, prefix) for name in names)] for words, prefix in sides]
    return table(["", *names], rows)


def _placement(results, place, names):
    return [f"### {place}: one file system beside another", "", *_ratios(results, place, names),
            f"### {place}: 4 KiB, operations a second", "", *_figures(results, place, names, LABELS[RANDOM], "ops", 1),
            f"### {place}: sequential, MiB a second", "", *_figures(results, place, names, LABELS[None], "bytes", MIB),
            f"### {place}: 4 KiB, p50 / p99 / p99.9 in us", "", *_latencies(results, place, names)]


def section(results, settings):
    if not results.ran(PART):
        return []
    measured = results.subjects(PART)
    names = [name for name in EVERY if name in measured]
    return [*_intro(settings), *(line for placement in ALL for line in _placement(results, placement.name, names))]
