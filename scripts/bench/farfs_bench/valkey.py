"""Valkey beside Redis. Debian 12 itself has none, its backports do: the package is unpacked in the build folder, from the mirror that apt uses, so that
nothing about the system or its package sources changes."""
import glob
import os
import shutil
import subprocess
import tempfile

LIMIT_SECONDS = 60
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def find(folder):
    """The server's path: of this system, or fetched into the folder; None where there is none to be had."""
    found = shutil.which("valkey-server")
    if found:
        return found
    server = os.path.join(folder, "valkey/usr/bin/valkey-server")
    if not os.path.exists(server):
        _fetch(os.path.join(folder, "valkey"), server)
    return server if version(server) else None


def version(server):
    """None if it does not run."""
    if not server:
        return None
    try:
        words = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout.split()
    except OSError:
        return None
    return next((word.removeprefix("v=") for word in words if word.startswith("v=")), None)


def _mirror():
    """(address, code name) of the Debian archive in use; None if there is none."""
    out = _output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages", "Origin: Debian", "Component: main"])
    releases = [line.split() for line in out.splitlines()]
    return next(((address, codename) for address, codename in releases if "-" not in codename), None)  # not its updates


def _output(command, **keywords):
    """What it prints; nothing if it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS, **keywords)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout if result.returncode == 0 else ""


def _fetch(folder, server):
    """Leaves no server where that does not work: the run does without."""
    mirror = _mirror()
    if not mirror:
        return
    print("fetching Valkey from Debian's backports", flush=True)
    with tempfile.TemporaryDirectory() as top:
        package = _download(top, *mirror)
        if package and not subprocess.run(["dpkg-deb", "-x", package, folder], check=False).returncode:
            # The server looks at its name: this package has the program under that of its checker.
            os.symlink("valkey-check-rdb", server)


def _download(top, address, codename):
    """With a list of sources, and a state, of its own. The path, or None."""
    sources = os.path.join(top, "sources.list")
    with open(sources, "w", encoding="utf-8") as file:
        file.write(f"deb [signed-by={KEYRING}] {address} {codename}-backports main\n")
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(top, name))
    apt = ["apt-get", "-qq", "-o", "Dir::Etc::sourcelist=" + sources, "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={top}/lists",
           "-o", f"Dir::Cache={top}/cache", "-o", "APT::Sandbox::User=root"]
    _output([*apt, "update"])
    _output([*apt, "download", "valkey-tools"], cwd=top)
    return next(iter(glob.glob(os.path.join(top, "valkey-tools_*.deb"))), None)
