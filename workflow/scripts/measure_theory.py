"""Measure FedAvg's update against FedSGD's, FOMAML's and MAML's at models along one reference run."""

from pathlib import Path

from perfedavg.algorithms.theory import measure_theory
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.settings import RunSpec
from perfedavg.tables import TRAINING

with job(snakemake.log[0]):
    path = Path(snakemake.output[0])
    measure_theory(
        RunSpec(**snakemake.params.run),
        snakemake.input.checkpoints,
        ClientStore(Path(snakemake.input.store[0]).parent),
        read_group(snakemake.input.split[0], TRAINING),
        **snakemake.params.theory,
        path=path,
        resume_folder=path.parents[1] / ".resume",
    )
