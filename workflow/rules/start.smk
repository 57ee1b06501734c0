# What is said and set before the first job: which sources run, what starts a job again, whose lock
# it is.

import atexit
import os
import shutil
import sys
from pathlib import Path

# Where this workflow lies: another workflow that uses it as a module has its own.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]

for character in ("{", "}", os.pathsep):
    if character in str(PROJECT):
        raise WorkflowError(
            f"The project {PROJECT} has a `{character}` in its path, which Snakemake and Python "
            "take for something else; move or rename the folder."
        )

# The sources that lie beside the rules run, in this process and in all jobs, also where the
# environment was made for another folder.
SOURCES = str(PROJECT / "src")
if os.path.isdir(SOURCES) and sys.path[0] != SOURCES:
    sys.path.insert(0, SOURCES)
    searched = [SOURCES, *filter(None, [os.getenv("PYTHONPATH")])]
    os.environ.update(PYTHONPATH=os.pathsep.join(searched))

from perfedavg.runtime.interrupts import in_one_sentence

in_one_sentence()

from perfedavg.config.load import check_keys
from perfedavg.runtime import owners, source
from perfedavg.runtime.errors import PerfedavgError

if os.path.isdir(SOURCES) and not source.PACKAGE.parent.samefile(SOURCES):
    raise WorkflowError(
        f"The sources of another folder are in use ({source.PACKAGE.parent}), not those of this "
        f"one ({SOURCES}); start Snakemake anew from this project."
    )

IS_RUN = workflow.exec_mode.name == "DEFAULT"  # otherwise this is one job of a run
FIRST = type(workflow).__name__ != "ContentDecides"  # these rules can be read once more in one call
IS_OWN = Path(workflow.main_snakefile).resolve().is_relative_to(PROJECT.resolve())


class ContentDecides(type(workflow)):
    """What makes a job run again, whatever the profile says. Snakemake sets its settings after it
    has read the rules."""

    _dag_settings = None

    @property
    def dag_settings(self):
        return self._dag_settings

    @dag_settings.setter
    def dag_settings(self, settings):
        self._dag_settings = settings
        # Inputs of any size are compared by checksum where their time stamp is new.
        settings.max_checksum_file_size = sys.maxsize
        if IS_OWN:
            # Parameters hold hashes of scripts and modules, so the time stamp of a script is
            # nothing. Rules of a workflow that uses this one as a module keep theirs.
            triggers = settings.rerun_triggers
            settings.rerun_triggers = {t for t in triggers if t.name != "CODE"}
            # What an interrupted job has left is made again.
            settings.force_incomplete = True


if FIRST:
    workflow.__class__ = ContentDecides

if IS_RUN and FIRST:
    try:
        for file in workflow.configfiles:
            check_keys(file)
    except PerfedavgError as error:
        raise WorkflowError(str(error))

# On the command line `experiment=007` is a name and no number: what was typed counts.
if FIRST and IS_OWN:
    for entry in workflow.config_settings.config_args or ():
        key, _, text = entry.partition("=")
        if key == "experiment":
            config[key] = text.strip("'\"")

# A lock of Snakemake's whose owner was killed is taken away.
OWNERS, LOCKS = Path(".snakemake/owners"), Path(".snakemake/locks")
if "--unlock" in sys.argv:
    shutil.rmtree(OWNERS, ignore_errors=True)
elif IS_RUN and FIRST and (own := owners.register(OWNERS, "run")):
    os.environ.update({owners.OWNER: str(own.absolute())})
    atexit.register(own.unlink, missing_ok=True)
    if LOCKS.is_dir() and any(LOCKS.iterdir()):
        if owners.is_abandoned(OWNERS, own):
            shutil.rmtree(LOCKS, ignore_errors=True)
        elif left := owners.others(OWNERS, own):
            kind, host, process = left[-1].name.split("@")
            print(
                f"Locked by a {kind} on {host} (process {process.split('-')[0]}); where it has ended, "
                "remove the lock with `snakemake --unlock`.",
                file=sys.stderr,
            )
    if not owners.others(OWNERS, own):  # what killed jobs have left
        for pattern in ("**/.*.tmp", "data/.unpacked-*", "data/.parts-*", "data/downloads/tmp*"):
            for path in Path("results").glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
