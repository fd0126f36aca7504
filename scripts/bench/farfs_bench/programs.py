"""The programs that are measured: built, or found in a build folder."""
import json
import os
import subprocess

from . import valkey
from .failure import Failure

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def install():
    command = '. scripts/lib/packages.sh && ensure_packages "${build_packages[@]}" redis-server memcached fio gnuplot-nox git util-linux'
    if subprocess.run(["bash", "-c", command], cwd=ROOT, check=False).returncode:
        raise Failure("the packages above are needed")


def build(folder):
    """Release, link-time optimization; what is up to date stays."""
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        run(["meson", "setup", folder, "--buildtype=release", "-Db_lto=true", "-Dtests=disabled"])
    run(["ninja", "-C", folder])


def run(command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"status {result.returncode} from: {' '.join(command)}\n" + result.stdout[-4000:] + result.stderr[-4000:])


class Programs:
    def __init__(self, folder):
        self.folder = folder
        self.far = self._find("client/cli/far")
        self.far_server = self._find("server/far-server")
        self.far_fsd = self._find("fsd/far-fsd")
        self.nullfs = self._find("scripts/bench/nullfs")
        self.nulltree = self._find("scripts/bench/nulltree")
        self.small_files = self._find("scripts/bench/small_files")
        self.peer_bench = self._find("scripts/bench/peer_bench")
        self.many_objects = self._find("scripts/bench/many_objects")
        self.many_keys = self._find("scripts/bench/many_keys")
        self.expire_many = self._find("scripts/bench/expire_many")
        self.valkey = valkey.find(folder)

    def _find(self, path):
        program = os.path.join(self.folder, path)
        if not os.access(program, os.X_OK):
            raise Failure(f"{program} is not there: build it (ninja -C {self.folder}), or leave --build out")
        return program

    def valkey_version(self):
        return valkey.version(self.valkey)

    def how_built(self):
        """For the head of the tables, as `release, LTO`."""
        with open(os.path.join(self.folder, "meson-info/intro-buildoptions.json"), encoding="utf-8") as file:
            options = {option["name"]: option["value"] for option in json.load(file)}
        words = [options["buildtype"]]
        words += ["LTO"] if options["b_lto"] else []
        words += ["sanitizers: " + options["b_sanitize"]] if options["b_sanitize"] != "none" else []
        return ", ".join(words)
