"""Train the federated runs of one job."""

from pathlib import Path

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.execution.cohorts import training_back_end
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.tables import TRAINING, VALIDATION
from perfedavg.training.federated import train_runs

with job(snakemake.log[0], snakemake), Pool(snakemake.threads) as pool:
    runs = Path(snakemake.output.files[0]).parents[1]
    specs = [RunSpec(**run) for run in snakemake.params.runs]
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    train_runs(
        specs,
        store,
        training_clients=read_group(snakemake.input.split[0], TRAINING),
        validation_clients=read_group(snakemake.input.split[0], VALIDATION),
        runs_folder=runs,
        resume_folder=runs.parent / ".resume",
        client_updates=training_back_end(specs[0].backend, pool, store),
    )
