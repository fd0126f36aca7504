"""What the metadata part measured, as the document shows it."""
from .settings import ALL
from .tables import around, number, spread, table
from .workloads import EVERY

PART = "metadata"
PAIRS = (("shm", "null"), ("tcp", "null"), ("shm ring", "null ring"), ("tcp ring", "null ring"), ("shm ring", "tmpfs"), ("shm alone", "tmpfs"), ("tcp ring", "sshfs"))
COUNTED = ("shm", "tcp", "shm ring", "tcp ring", "shm alone")


def _intro(settings):
    return ["## Many small files", "",
            f"A tree of {settings.metadata_files:,} files of 1 KiB in directories of 100, {settings.metadata_rounds} rounds (sshfs: one): unpacked, listed with and without attributes, read, looked through by `git status`, and removed, "
            "by the usual programs. git has seen the tree once before, so it reads no file again; its repository is on a local disk, for the null tree (`scripts/bench/nulltree.c`: names and attributes in its own memory, the same channel) keeps no bytes. "
            "sshfs is as it comes: its kernel trusts names and attributes for 20 s, and it answers a close before the server has. *Alone*: `-o cache=alone`.", "",
            "How to read it: how fast one is beside the other, 1 is as fast, 0.5 takes twice as long; then milliseconds, with half of their spread.", ""]


def _ratios(results, place, names):
    pairs = [(over, under) for over, under in PAIRS if over in names and under in names]
    rows = [[case, *(spread(results.ratio((PART, place, case, under, "seconds"), (PART, place, case, over, "seconds"))) for over, under in pairs)]
            for case in results.cases(PART, place)]
    return table(["", *(f"{over} / {under}" for over, under in pairs)], rows)


def _times(results, place, names):
    rows = [[case, *(around(results.spread(PART, place, case, name, "seconds"), 0.001) for name in names)] for case in results.cases(PART, place)]
    return table(["", *names], rows)


def _counts(results):
    rows = [[case, *(number(results.median(PART, "two CPUs", case, name, what)) for what in ("messages", "requests") for name in COUNTED)]
            for case in results.cases(PART)]
    return ["What that takes for each file: messages of the kernel to the mount's daemon, and round trips from there to the server (requests, and reads that need none). Over shared memory reads and attributes take no round "
            "trip. Names and attributes are asked for each time they are used, so that other mounts' changes are seen at once; closing a file (flush, release) takes a message and no round trip, forgetting one goes along with others.", "",
            *table(["", *(f"{words}, {name}" for words in ("messages", "round trips") for name in COUNTED)], rows)]


def section(results, settings):
    if not results.ran(PART):
        return []
    measured = results.subjects(PART)
    names = [name for name in EVERY if name in measured]
    tables = [line for placement in ALL for line in (f"### {placement.name}: one file system beside another", "", *_ratios(results, placement.name, names),
                                                       f"### {placement.name}: milliseconds", "", *_times(results, placement.name, names))]
    return [*_intro(settings), *tables, *_counts(results)]
