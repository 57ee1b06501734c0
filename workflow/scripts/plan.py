"""Write down what is left to do of an experiment and what it would cost, from Snakemake's own graph
of jobs."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from snakemake.api import SnakemakeApi
from snakemake.logging import logger as snakemake_logger
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake_interface_logger_plugins.common import LogEvent

from perfedavg.config.experiment import load_config
from perfedavg.planning.estimate import PlannedJob, plan, write_plan
from perfedavg.planning.workload import Counting, size_of_store
from perfedavg.runtime.job import job
from perfedavg.storage.files import write_json


class Jobs(logging.Handler):
    """Collects the jobs that a dry run tells of."""

    def __init__(self):
        super().__init__()
        self.found, self.submitted = [], 0

    def emit(self, record):
        """Take note of a job, or of a group of jobs that are submitted together."""
        event = getattr(record, "event", None)
        if event == LogEvent.GROUP_INFO:
            self.submitted += 1
        if event == LogEvent.JOB_INFO and record.log:  # targets have none
            wildcards = (
                {}
                if record.wildcards is None
                else {name: str(value) for name, value in dict(record.wildcards).items()}
            )
            self.found.append(
                PlannedJob(
                    record.rule_name,
                    wildcards,
                    record.threads,
                    tuple(record.input),
                    tuple(record.output),
                )
            )
            self.submitted += not (record.indent or record.local)


def dry_run(config, snakefile, cores):
    """The jobs that are left to do, none with more than ``cores``, and how many a cluster would
    see."""
    jobs = Jobs()
    with TemporaryDirectory() as folder, SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        file = Path(folder) / "config.json"
        write_json(file, config)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores, nodes=1),
            config_settings=ConfigSettings(configfiles=[file]),
            snakefile=Path(snakefile),
        )
        snakemake_logger.addHandler(jobs)
        workflow.dag().execute_workflow(executor="dryrun")
        snakemake_logger.removeHandler(jobs)
    return jobs.found, jobs.submitted


with job(snakemake.log[0]):
    params = snakemake.params
    experiment = load_config(params.config)
    jobs, submitted = dry_run(params.config, params.snakefile, experiment.workers)
    if jobs:
        counting = Counting(experiment, size_of_store(Path(params.store)) or experiment.data.size)
        table, chain = plan(jobs, counting)
        print(write_plan(table, chain, submitted, counting, params.path))
    else:
        print("Nothing is left to do.")
