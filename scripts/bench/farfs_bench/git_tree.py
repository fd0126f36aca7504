"""The tree that the metadata part works on: an archive of it, and a git repository that knows it.

Its files hold zeros, as all files of the null tree do: there, too, git finds what it expects. For the same reason the repository is kept beside, on a local
disk: what is measured is how the work tree answers."""
import io
import os
import shutil
import tarfile

from .failure import Failure

FILE_BYTES = 1024
FILES_PER_DIRECTORY = 100
WRITTEN = 1_600_000_000  # long before its repository: git need not look into a file to know
GIT = ["env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
SECONDS = 60


class GitTree:
    def __init__(self, stage, cpus, top, files):
        self.archive = os.path.join(top, "tree.tar")
        self._repository = os.path.join(top, "tree.git")
        self._make_archive(files)
        self._make_repository(stage, cpus, top)

    def _make_archive(self, files):
        with tarfile.open(self.archive, "w") as archive:
            for number in range(files):
                member = tarfile.TarInfo(f"tree/{number // FILES_PER_DIRECTORY:04}/{number:06}")
                member.size = FILE_BYTES
                member.mtime = WRITTEN
                archive.addfile(member, io.BytesIO(bytes(FILE_BYTES)))

    def _make_repository(self, stage, cpus, top):
        with tarfile.open(self.archive) as archive:
            archive.extractall(top)
        git = [*GIT, "--git-dir=" + self._repository, "--work-tree=" + os.path.join(top, "tree")]
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=tree"]):
            stage.client(cpus, [*git, *words], SECONDS)
        shutil.rmtree(os.path.join(top, "tree"))

    def prepare(self, stage, cpus, name, work_tree):
        """A repository for this copy of the tree, which has seen its files once. Returns the command that asks for their state."""
        repository = stage.path("git-" + name.replace(" ", "-"))
        shutil.rmtree(repository, ignore_errors=True)
        shutil.copytree(self._repository, repository)
        command = [*GIT, "--git-dir=" + repository, "--work-tree=" + work_tree, "status", "--porcelain"]
        self.ask(stage, cpus, command)
        return command

    @staticmethod
    def ask(stage, cpus, command):
        changed = stage.client(cpus, command, SECONDS)
        if changed:
            raise Failure("git finds changes where there are none: " + changed.partition("\n")[0])
