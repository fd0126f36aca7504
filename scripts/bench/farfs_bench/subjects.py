"""Starts the things that are compared, each ready when its function returns."""
import os
import shutil
import socket
import subprocess

from .settings import FIO_FILE_MIB

PREFAULT_SECONDS = 60


class FarServer:
    """far-server over shared memory and a network."""

    def __init__(self, stage, programs, cpus, pool, name="far-server", network="tcp://127.0.0.1:0", options=()):
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        said = bytearray()
        socket_path = stage.path(name + ".sock")

        def is_ready():
            try:
                said.extend(os.read(read_end, 4096))
            except BlockingIOError:
                pass
            return said.endswith(b"ready\n")

        command = [programs.far_server, "--pool", pool, "--prefault", "--no-shm", "--listen", network,
                   "--listen", "shm://" + socket_path, "--ready-fd", str(write_end), *options]
        try:
            self.process = stage.start(name, cpus, command, is_ready, PREFAULT_SECONDS, pass_fds=[write_end])
        finally:
            os.close(read_end)
            os.close(write_end)
        bound = said.decode().splitlines()
        self.addresses = {provider: next(address for address in bound if address.startswith(provider + "://"))
                          for provider in ("shm", network.partition(":")[0])}
        self.metrics = next((address for address in bound if address.startswith("http://")), None)

    def memory_beside_pool(self):
        """Bytes of resident memory that are not the pool, which is shared."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(("RssAnon:", "RssFile:")))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def answers(port, request, reply):
    """Whether a server there answers; False while nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", int(port)), 1) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(reply)
    except OSError:
        return False


class Redis:
    """Or Valkey, which takes the same options and requests. Keeps nothing on disk; otherwise as it comes: one thread."""

    def __init__(self, stage, cpus, *options, program="redis-server"):
        name = os.path.basename(program)
        self.port = free_port()
        self.socket = stage.path(name + ".sock")
        self.process = stage.start(name, cpus, [
            program, "--bind", "127.0.0.1", "--port", self.port, "--unixsocket", self.socket, "--save", "",
            "--appendonly", "no", "--dir", stage.folder, *options], lambda: answers(self.port, b"PING\r\n", b"+PONG"))


def start_redis_kind(bench, stage, cpus):
    """Redis, and Valkey where there is one, by name."""
    servers = {"redis": Redis(stage, cpus)}
    if bench.programs.valkey:
        servers["valkey"] = Redis(stage, cpus, program=bench.programs.valkey)
    return servers


class Memcached:
    """One thread, as the others; room enough that nothing is evicted."""

    def __init__(self, stage, cpus):
        self.port = free_port()
        self.process = stage.start("memcached", cpus, [
            "memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", self.port, "-t", "1", "-m", "4096", "-I", "2m"],
            lambda: answers(self.port, b"version\r\n", b"VERSION"))


ENABLE_URING = "/sys/module/fuse/parameters/enable_uring"
BOTH = (0, 1)  # a ring's threads take their places by themselves


def has_rings():
    """Whether this kernel has FUSE over io_uring; allows it."""
    try:
        with open(ENABLE_URING, "w", encoding="ascii") as file:
            file.write("Y")
        return True
    except OSError:
        return False


def mount_far(stage, programs, cpus, provider, address, way="classic", options=""):
    """As many threads as the null file system has."""
    name = f"mount-{provider}" + ("-ring" if way == "ring" else "") + ("-" + options.replace("=", "-") if options else "")
    ring = "on" if way == "ring" else "off"
    return stage.mount(name, BOTH if way == "ring" else cpus, [programs.far_fsd, address, stage.path(name), "-f", "-o",
                                                               f"threads=2,ring={ring}" + ("," + options if options else "")])


def mount_null(stage, programs, cpus, way="classic", mib=FIO_FILE_MIB):
    return stage.mount("null-" + way, BOTH if way == "ring" else cpus, [programs.nullfs, stage.path("null-" + way),
                                                                        str(mib), way])


def mount_null_tree(stage, programs, cpus, way="classic"):
    return stage.mount("null-tree-" + way, BOTH if way == "ring" else cpus, [programs.nulltree, stage.path("null-tree-" + way), way])


SSHD = "/usr/sbin/sshd"


def has_sshfs():
    """It is not installed for this: the package of its server opens the machine to others."""
    return os.path.exists(SSHD) and shutil.which("sshfs") is not None


def mount_sshfs(stage, server_cpus, cpus):
    """Of a tmpfs, by a server of its own that lets nobody else in."""
    served, port, key = stage.mount_tmpfs("sshd-tmpfs"), free_port(), stage.path("sshd-key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    options = [f"ListenAddress=127.0.0.1:{port}", f"HostKey={key}", f"AuthorizedKeysFile={key}.pub", "PidFile=none", "StrictModes=no", "UsePAM=no",
               "PermitRootLogin=prohibit-password", "PasswordAuthentication=no", "Subsystem=sftp internal-sftp"]
    stage.start("sshd", server_cpus, [SSHD, "-D", "-e", "-f", "/dev/null", *(word for option in options for word in ("-o", option))],
                lambda: answers(port, b"", b"SSH-2.0"))
    return stage.mount("sshfs", cpus, ["sshfs", "-f", f"root@127.0.0.1:{served}", stage.path("sshfs"), "-p", port, "-o", f"IdentityFile={key}", "-o",
                                       "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"])
