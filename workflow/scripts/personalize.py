"""Personalize held-out clients from the models of runs, of whichever part of the experiment.

Inputs: store, split; checkpoints, a folder per run (none: fresh models, which is local-only
training); rates and validation (the algorithm comparison's evaluation): the choice on validation
clients, without which a run has no visits, and each run's rows on them.
Outputs, a file per run each: validation, all, runs (the `run.json` of baselines); any may be
missing.
Params: runs; schedules, per run the arguments of `visits`; ways, settings of fine-tuning;
intermediate_clients and split_seed, which may be missing."""

from pathlib import Path

from perfedavg.algorithms.spec import Backend
from perfedavg.data.store import ClientStore
from perfedavg.execution.held_out import fine_tuning_back_end
from perfedavg.personalization.evaluate import held_out_clients, personalize_runs
from perfedavg.personalization.schedule import visits
from perfedavg.personalization.settings import Personalization, Run
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.files import read_json, write_json

with job(snakemake.log[0], snakemake), Pool(snakemake.threads) as pool:
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    runs, chosen = params.runs, {run["setting"] for run in params.runs}
    if inputs.get("rates"):
        choices = [
            choice
            for entry in read_json(inputs.rates[0])["entries"].values()
            for choice in entry.values()
        ]
        chosen = {choice["setting"] for choice in choices if isinstance(choice, dict)}
    personalize_runs(
        [Run(**run) for run in runs],
        [
            visits(**schedule) if run["setting"] in chosen else []
            for run, schedule in zip(runs, params.schedules, strict=True)
        ],
        inputs.get("checkpoints"),
        ClientStore(Path(inputs.store[0]).parent),
        held_out_clients(
            inputs.split[0], params.get("intermediate_clients"), params.get("split_seed", 0)
        ),
        [Personalization(**way) for way in params.ways],
        fine_tuning_back_end(Backend(**runs[0].get("backend", {})), pool),
        output.get("validation"),
        output.get("all"),
        inputs.get("validation"),
    )
    for run, path in zip(runs, output.get("runs") or (), strict=False):
        write_json(path, run)
