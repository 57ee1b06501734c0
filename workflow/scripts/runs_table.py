"""Collect every run's settings and status in runs.csv."""

from pathlib import Path

import pandas as pd

from perfedavg.analysis.runs import write_runs_table
from perfedavg.data.caveat import caveat
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    params = snakemake.params
    split = pd.read_csv(snakemake.input.split[0], usecols=["client_index", "client_group"])
    said = caveat(store, split, params.data, params.training_clients, params.rounds)
    write_runs_table(snakemake.input.runs, said, snakemake.output[0])
