"""Resolve pyproject.toml in a fresh environment and write requirements.lock and environment.yml
from what came out."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = "# Every package of the environment, written by `make lock` from pyproject.toml.\n"
CONDA = """\
# The same versions for conda users, written by `make lock`: `conda env create -f environment.yml`,
# activate it, then `pip install --no-deps --editable .`
name: perfedavg
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""
# What pip brings along for CUDA differs from machine to machine and follows from torch's own pin.
MACHINE_SPECIFIC = ("nvidia-", "cuda-", "triton", "perfedavg", "pip==", "setuptools==", "wheel==")


def main() -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip"]
        subprocess.run([*pip, "install", "--quiet", f"{ROOT}[dev]"], check=True)
        frozen = subprocess.run(
            [*pip, "freeze"], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    pins = [
        line.split("+")[0]
        for line in frozen
        if "==" in line and not line.lower().startswith(MACHINE_SPECIFIC)
    ]
    if not pins:
        sys.exit("pip froze nothing; requirements.lock is left as it was.")
    (ROOT / "requirements.lock").write_text(HEAD + "".join(f"{pin}\n" for pin in pins))
    (ROOT / "environment.yml").write_text(CONDA + "".join(f"      - {pin}\n" for pin in pins))


if __name__ == "__main__":
    main()
