"""Facts about the machine, the packages and the source that a result came from."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "perfedavg",
    "numpy",
    "pandas",
    "pyarrow",
    "safetensors",
    "scipy",
    "seaborn",
    "snakemake",
    "torch",
)
_PROJECT = Path(__file__).parents[3]


def git_commit() -> str:
    """The commit of the source, with ``-modified`` behind it where tracked files differ or there
    are new ones among the sources; ``unknown`` outside a checkout of this project, also where the
    sources lie in somebody else's repository."""
    describe = ["describe", "--always", "--abbrev=40", "--match=", "--dirty=-modified"]
    try:
        if Path(_git("rev-parse", "--show-toplevel")).samefile(_PROJECT):
            commit = _git(*describe)
            new = _git("ls-files", "--others", "--exclude-standard", "--", "src", "workflow")
            return commit if commit.endswith("-modified") or not new else f"{commit}-modified"
    except (OSError, subprocess.SubprocessError):
        pass
    return "unknown"


def file_at(commit: str, path: str) -> str | None:
    """The text of a file of this project as it was at a commit; None where git does not know."""
    try:
        if not Path(_git("rev-parse", "--show-toplevel")).samefile(_PROJECT):
            return None
        return _git("show", f"{commit.removesuffix('-modified')}:{path}")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    """What git says of the project's folder, whatever repository the environment names."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    run = subprocess.run(
        ["git", *arguments],
        cwd=_PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return run.stdout.strip()


def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: version(name) for name in PACKAGES}


def machine_facts() -> dict[str, str | int]:
    """Processor, cores, operating system and Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
