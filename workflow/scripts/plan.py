"""Write down what is left to do of an experiment and what it would cost, from Snakemake's own graph
of jobs."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from snakemake.api import SnakemakeApi
from snakemake.logging import logger as snakemake_logger
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake_interface_logger_plugins.common import LogEvent

from perfedavg.config.load import load_config
from perfedavg.planning.estimate import PlannedJob, plan, write_plan
from perfedavg.planning.jobs import Jobs, results
from perfedavg.planning.workload import size_of_store
from perfedavg.runtime.job import job
from perfedavg.storage.files import write_json


class Collector(logging.Handler):
    """Collects the jobs that a dry run tells of."""

    def __init__(self):
        super().__init__()
        self.planned, self.submitted = [], 0

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
            self.planned.append(
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
    collector = Collector()
    with TemporaryDirectory() as folder, SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        file = Path(folder) / "config.json"
        write_json(file, config)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores, nodes=1),
            config_settings=ConfigSettings(configfiles=[file]),
            snakefile=Path(snakefile),
        )
        snakemake_logger.addHandler(collector)
        workflow.dag().execute_workflow(executor="dryrun")
        snakemake_logger.removeHandler(collector)
    return collector.planned, collector.submitted


with job(snakemake.log[0]):
    params, stores = snakemake.params, set()
    for config in params.configs:
        config = {key: value for key, value in config.items() if key != "also"}
        experiment = load_config(config)
        planned, submitted = dry_run(config, params.snakefile, experiment.execution.workers)
        store = Path("results/data") / experiment.data.store_name
        if store in stores:  # an experiment before this one makes it
            planned = [job for job in planned if job.rule not in ("download", "build_store")]
        stores.add(store)
        if planned:
            jobs = Jobs(experiment, size_of_store(store) or experiment.data.size)
            table, chain = plan(planned, jobs)
            path = Path(results(experiment)) / "plan.md"
            print(write_plan(table, chain, submitted, jobs.workload, path))
        else:
            print(f"{experiment.experiment}: nothing is left to do.")
