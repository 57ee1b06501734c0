"""Train a model on the pooled data of the training clients."""

from pathlib import Path

from perfedavg.baselines.centralized import CentralizedRun
from perfedavg.baselines.settings import Centralized
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.tables import TRAINING, VALIDATION

with job(snakemake.log[0]):
    folder = Path(snakemake.output.passes).parent
    run = CentralizedRun(
        folder.name,
        snakemake.params.model,
        int(snakemake.wildcards.seed),
        Centralized(**snakemake.params.settings),
        ClientStore(Path(snakemake.input.store[0]).parent),
        training_clients=read_group(snakemake.input.split[0], TRAINING),
        validation_clients=read_group(snakemake.input.split[0], VALIDATION),
        resume_folder=folder.parents[1] / ".resume",
    )
    run.train()
    run.write_results(folder)
