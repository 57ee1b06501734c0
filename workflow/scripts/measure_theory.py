"""Measure FedAvg's update against FedSGD's, FOMAML's and MAML's at models along the reference
runs."""

from pathlib import Path

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job
from perfedavg.storage.tables import TRAINING
from perfedavg.training.theory import measure_theory

with job(snakemake.log[0], snakemake):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    clients = read_group(snakemake.input.split[0], TRAINING)
    for run, checkpoints, output in zip(
        snakemake.params.runs, snakemake.input.checkpoints, snakemake.output, strict=True
    ):
        path = Path(output)
        resume = path.parents[1] / ".resume"
        measure_theory(
            RunSpec(**run),
            checkpoints,
            store,
            clients,
            **snakemake.params.theory,
            path=path,
            resume_folder=resume,
        )
