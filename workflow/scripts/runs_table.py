"""Collect every run's settings and status in runs.csv."""

from pathlib import Path

from perfedavg.analysis.runs import write_runs_table
from perfedavg.data.caveat import caveat
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job
from perfedavg.storage.contracts import read_split

with job(snakemake.log[0], snakemake):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    params = snakemake.params
    split = read_split(snakemake.input.split[0])
    said = caveat(store, split, params.data, params.training_clients, params.rounds)
    write_runs_table(snakemake.input.runs, said, snakemake.output[0])
