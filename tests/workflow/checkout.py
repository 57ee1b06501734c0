"""A copy of the project to run the workflow in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = ("Snakefile", "workflow", "src", "config", "profiles", "environment.yml")
# Wall times and machine facts, and what shows them.
NOT_COMPARED = re.compile(
    r"/(logs|benchmarks)/|(timings\.parquet|provenance\.json|report\.html|article\.pdf)$"
)

OWN_OUTPUT = "--logger-perfedavg-off"  # Snakemake's


class Checkout:
    """A copy of the project whose own `src` is imported."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name in PROJECT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        shutil.copy(ROOT / "tests/workflow/tiny.yaml", folder / "tiny.yaml")
        self.results = folder / "results/tiny"

    def snakemake(self, *arguments, configfile="tiny.yaml", check=True):
        """Standard output and error of one call."""
        command = self._command(arguments, configfile)
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    @classmethod
    def found(cls, folder):
        """The one that lies in a folder."""
        checkout = object.__new__(cls)
        checkout.folder, checkout.results = folder, folder / "results/tiny"
        return checkout

    def copy(self, folder):
        """All of it, results too, in another folder."""
        return self.found(shutil.copytree(self.folder, folder))

    def start(self, *arguments, **options):
        """The same, not waited for; what it says goes to `snakemake.log`."""
        command = self._command(arguments, "tiny.yaml")
        with open(self.folder / "snakemake.log", "w") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **options)

    def _command(self, arguments, configfile):
        command = [sys.executable, "-m", "snakemake", *arguments]
        if configfile:
            command += ["--configfile", configfile]
        return command

    def planned(self, *arguments, configfile="tiny.yaml"):
        """{rule: number of jobs} that a dry run plans; {} for nothing to be done."""
        output = self.snakemake("--dry-run", *arguments, OWN_OUTPUT, configfile=configfile)
        text = output.stdout + output.stderr
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[1].split("total")[0]
        return {
            m[1]: int(m[2])
            for m in re.finditer(r"^(\w+) +(\d+)$", table, re.MULTILINE)
            if m[1] != "all"
        }

    def edit(self, path, old="", new="\nEDITED = True\n"):
        """Replace a text in a file, or append to it, for the length of a `with` block."""
        return _Edit(self.folder / path, old, new)

    def products(self):
        """Bytes of every result that must be reproducible."""
        folder = self.folder / "results"
        files = {f"/{p.relative_to(folder)}": p for p in folder.rglob("*") if p.is_file()}
        return {name: p.read_bytes() for name, p in files.items() if not NOT_COMPARED.search(name)}


class _Edit:
    def __init__(self, path, old, new):
        self.path, self.old, self.new = path, old, new

    def __enter__(self):
        self.text, self.stat = self.path.read_text(), self.path.stat()
        assert self.old in self.text
        edited = self.text.replace(self.old, self.new, 1) if self.old else self.text + self.new
        self.path.write_text(edited)

    def __exit__(self, *_):
        self.path.write_text(self.text)
        os.utime(
            self.path, ns=(self.stat.st_atime_ns, self.stat.st_mtime_ns)
        )  # of a script, that is what counts
