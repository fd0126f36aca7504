"""sqlite_stress.py DATABASE JOURNAL_MODE SECONDS: processes move amounts between accounts and others add them up, whose sum never changes. One writer is killed on the way."""
import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import time

ACCOUNTS, AMOUNT = 500, 1000


def connect(path, mode):
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous=NORMAL" if mode == "wal" else "PRAGMA synchronous=FULL")
    return connection


def write(path, mode, seconds, seed):
    rng, end, done = random.Random(seed), time.monotonic() + seconds, 0
    connection = connect(path, mode)
    while time.monotonic() < end:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(rng.randint(1, 20)):
            source, target, amount = rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS), rng.randrange(50)
            connection.execute("UPDATE account SET amount = amount - ? WHERE id = ?", (amount, source))
            connection.execute("UPDATE account SET amount = amount + ? WHERE id = ?", (amount, target))
            connection.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (source, target, amount, os.urandom(rng.randrange(2000))))
        connection.execute("ROLLBACK" if rng.random() < 0.1 else "COMMIT")
        done += 1
        if rng.random() < 0.02 and mode == "wal":
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sys.exit(0 if done > 0 else 2)


def read(path, mode, seconds):
    end = time.monotonic() + seconds
    connection = connect(path, mode)
    while time.monotonic() < end:
        total = connection.execute("SELECT sum(amount) FROM account").fetchone()[0]
        if total != ACCOUNTS * AMOUNT:
            print("the sum is", total, file=sys.stderr)
            sys.exit(1)


def main(path, mode, seconds):
    connection = connect(path, mode)
    assert connection.execute(f"PRAGMA journal_mode={mode}").fetchone()[0] == mode, "the journal mode was refused"
    connection.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER)")
    connection.execute("CREATE TABLE history(source INTEGER, target INTEGER, amount INTEGER, padding BLOB)")
    connection.execute("CREATE INDEX by_source ON history(source)")
    connection.executemany("INSERT INTO account VALUES (?, ?)", [(number, AMOUNT) for number in range(ACCOUNTS)])
    connection.close()
    victim = multiprocessing.Process(target=write, args=(path, mode, seconds * 10, 1))
    others = [multiprocessing.Process(target=write, args=(path, mode, seconds, 2)), multiprocessing.Process(target=read, args=(path, mode, seconds))]
    for process in [victim, *others]:
        process.start()
    time.sleep(seconds / 2)
    os.kill(victim.pid, signal.SIGKILL)
    for process in [victim, *others]:
        process.join()
    assert all(process.exitcode == 0 for process in others), [process.exitcode for process in others]
    connection = connect(path, mode)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "integrity_check"
    assert connection.execute("SELECT sum(amount) FROM account").fetchone()[0] == ACCOUNTS * AMOUNT
    print(connection.execute("SELECT count(*) FROM history").fetchone()[0], "rows of history")


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
