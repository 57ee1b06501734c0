"""The commit that results carry is the project's own."""

import os
import subprocess
import sys

from perfedavg.runtime.source import PACKAGE

SAY = "from perfedavg.runtime.machine import git_commit; print(git_commit())"


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    run = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_somebody_elses_repository_is_not_the_projects(tmp_path):
    project = tmp_path / "thesis/project"
    (project / "src").mkdir(parents=True)
    (project / "src/perfedavg").symlink_to(PACKAGE)

    def said():
        env = os.environ | {"PYTHONPATH": str(project / "src")}
        command = [sys.executable, "-c", SAY]
        return subprocess.run(
            command, env=env, capture_output=True, text=True, check=True
        ).stdout.strip()

    git(tmp_path, "init", "-q", "thesis")
    git(tmp_path / "thesis", "commit", "-q", "--allow-empty", "-m", "thesis")
    assert said() == "unknown", "the sources were unpacked inside a thesis"
    git(project, "init", "-q")
    git(project, "commit", "-q", "--allow-empty", "-m", "own")
    commit = git(project, "rev-parse", "HEAD")
    assert said() == f"{commit}-modified", "the sources are no part of it yet"
    git(project, "add", "src")
    git(project, "commit", "-q", "-m", "sources")
    commit = git(project, "rev-parse", "HEAD")
    assert said() == commit
    (project / "notes.txt").write_text("no source")
    assert said() == commit
    (project / "src/mine.py").write_text("MINE = 1")
    assert said() == f"{commit}-modified"
