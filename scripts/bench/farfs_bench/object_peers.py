"""Bytes that one small object takes in Redis and memcached, key and all structures included."""
import re
import socket

from .failure import Failure
from .settings import TWO_CPUS
from .stage import Stage
from .subjects import Memcached, Redis

STORE_SECONDS = 60
BATCH = 10000


def _redis_used(stage, redis):
    info = stage.client(TWO_CPUS.client, ["redis-cli", "-p", redis.port, "info", "memory"], 1)
    return int(re.search(r"^used_memory:(\d+)", info, re.MULTILINE).group(1))


def redis(bench, count, key, value):
    """Its keys end with their number: some are shorter."""
    prefix = "objects".ljust(key - 1 - len(str(count - 1)), "-")
    with Stage(bench.folder(), bench.cpus) as stage:
        server = Redis(stage, TWO_CPUS.server, "--enable-debug-command", "local")
        before = _redis_used(stage, server)
        said = stage.client(TWO_CPUS.client, ["redis-cli", "-p", server.port, "debug", "populate", str(count), prefix,
                                              str(value)], STORE_SECONDS)
        if said.strip() != "OK":
            raise Failure("redis-server: DEBUG POPULATE: " + said.strip())
        return (_redis_used(stage, server) - before) / count


def _ask(connection, command):
    connection.sendall(command)
    reply = b""
    while not reply.endswith(b"END\r\n"):
        got = connection.recv(65536)
        if not got:
            raise Failure("memcached closed the connection")
        reply += got
    return {name: value for _, name, value in (line.split(" ", 2) for line in reply.decode().splitlines()[:-1])}


def _memcached_used(connection):
    slabs, stats = _ask(connection, b"stats slabs\r\n"), _ask(connection, b"stats\r\n")
    return int(slabs["total_malloced"]) + int(stats["hash_bytes"]), int(stats["curr_items"])


def memcached(bench, count, key, value):
    digits = key - len("objects:")
    with Stage(bench.folder(), bench.cpus) as stage:
        server = Memcached(stage, TWO_CPUS.server)
        with socket.create_connection(("127.0.0.1", int(server.port)), STORE_SECONDS) as connection:
            before, _ = _memcached_used(connection)
            for begin in range(0, count, BATCH):
                connection.sendall(b"".join(b"set objects:%0*d 0 0 %d noreply\r\n%s\r\n" % (digits, number, value, b"x" * value)
                                            for number in range(begin, min(begin + BATCH, count))))
            after, items = _memcached_used(connection)
        if items != count:
            raise Failure(f"memcached keeps {items} of {count} objects")
        return (after - before) / count


ALL = {"redis": redis, "memcached": memcached}
