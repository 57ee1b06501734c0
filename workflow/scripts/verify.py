"""Recompute every checksum of the results and data of all experiments of the call; name what is
changed, missing or stale."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from snakemake.api import SnakemakeApi
from snakemake.logging import logger as snakemake_logger
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake_interface_logger_plugins.common import LogEvent

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import job
from perfedavg.runtime.records import EXCEPTED, verify
from perfedavg.storage.files import write_json


class Planned(logging.Handler):
    """Collects the outputs that a dry run would make again."""

    def __init__(self):
        super().__init__()
        self.outputs = []

    def emit(self, record):
        """Take note of a job."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO and record.log:
            self.outputs += map(str, record.output)


def stale(config, snakefile):
    """The outputs that Snakemake would make again."""
    planned = Planned()
    with TemporaryDirectory() as folder, SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        file = Path(folder) / "config.json"
        write_json(file, config)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1, nodes=1),
            config_settings=ConfigSettings(configfiles=[file]),
            snakefile=Path(snakefile),
        )
        snakemake_logger.addHandler(planned)
        workflow.dag().execute_workflow(executor="dryrun")
        snakemake_logger.removeHandler(planned)
    return planned.outputs


with job(snakemake.log[0]):
    params = snakemake.params
    found = [problem for folder in params.results for problem in verify(Path(folder))]
    for store in params.stores:
        found += verify(Path("results/data"), (f"{store}/", f"downloads/{store}."))
    named = "\n".join(found)
    again = [path for path in stale(params.config, params.snakefile) if path not in named]
    found += [f"{path} is stale or missing: the next run makes it again" for path in again]
    print(*found, sep="\n", flush=True)
    print(f"Not compared, since they differ from run to run: {', '.join(EXCEPTED)}.", flush=True)
    if found:
        raise PerfedavgError(
            f"{len(found)} files of {', '.join(params.results)} or their data are not as they "
            "should be; delete those named and give the same command that made them again."
        )
    print("Every file is what its step wrote.")
