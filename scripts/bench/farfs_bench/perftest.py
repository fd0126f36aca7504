"""perftest between two RDMA devices of this machine: what its verbs do without FarFS."""
import subprocess
import time
from dataclasses import dataclass

from .failure import Failure

MIB = 1 << 20
TRIES = 40  # to connect: the server of a pair does not say when it listens
PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Perftest:
    """Where it runs: if not said otherwise, as scripts/rdma-vm has it."""
    server_device: str = "rxe0"
    client_device: str = "rxe1"
    gid_index: int = 1
    address: str = "10.9.0.1"  # the server's
    iterations: int = 1000

    def _run(self, program, size, *more):
        """Runs one of its programs on both devices; returns the columns of its result line."""
        common = [program, "-x", str(self.gid_index), "-s", str(size), *more]
        with subprocess.Popen([*common, "-d", self.server_device], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                for _ in range(TRIES):
                    time.sleep(PAUSE_SECONDS)
                    client = subprocess.run([*common, "-d", self.client_device, self.address], capture_output=True, text=True, timeout=120, check=False)
                    if client.returncode == 0:
                        break
                server.wait(timeout=20)
            finally:
                server.kill()
        for line in client.stdout.splitlines():
            columns = line.split()
            if columns and columns[0] == str(size):
                return [float(column) for column in columns]
        raise Failure(f"{program} -s {size} failed:\n{client.stdout}{client.stderr}")

    def latency_us(self, program, size):
        """The median."""
        return self._run(program, size, "-n", str(self.iterations))[4]

    def bandwidth_mib(self, program):
        """A second, by messages of 1 MiB, 8 under way."""
        return self._run(program, MIB, "-n", "400", "-t", "8", "-Q", "1")[3]
