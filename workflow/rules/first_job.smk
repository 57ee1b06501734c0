# What only the jobs to be run can tell: said before the first one. And what the terminal shows.

from perfedavg.planning.overwriting import refuse_overwriting

# The logger plugin, where the profile has switched it on.
TERMINALS = [h for h in workflow.logger_manager.get_log_handlers() if hasattr(h, "watch")]


def trained(jobs):
    """The `run.json` and the settings of every federated run that these jobs train."""
    for job in jobs:
        settings = {run["run_id"]: run for run in job.params.get("runs", [])}
        for path in job.output.get("files", []):
            name, run_id = os.path.basename(path), os.path.basename(os.path.dirname(path))
            if name == "run.json" and run_id in settings:
                yield path, settings[run_id]


if FIRST:
    for terminal in TERMINALS:
        terminal.watch(workflow, weight)


onstart:
    jobs = list(workflow.dag.needrun_jobs())
    try:
        if not (experiment.execution.overwrite or workflow.touch):
            plain = experiment.model_dump(mode="json")
            refuse_overwriting(RESULTS, trained(jobs), plain)
        if workflow.local_exec and any(job.resources.get("gpu") for job in jobs):
            from perfedavg.execution.stacked import torch_device

            torch_device(experiment.execution.backend)
    except PerfedavgError as error:
        raise WorkflowError(str(error))
    for terminal in TERMINALS:
        terminal.starts()
