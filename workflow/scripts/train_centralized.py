"""Train a model on the pooled data of the training clients."""

from pathlib import Path

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job
from perfedavg.storage.tables import TRAINING, VALIDATION
from perfedavg.training.centralized import CentralizedRun
from perfedavg.training.settings import Centralized

with job(snakemake.log[0], snakemake):
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
