"""Collect every run's settings and status in runs.csv."""

from pathlib import Path

from perfedavg.analysis.runs import write_runs_table
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    params = snakemake.params
    clients = store.column("client_id")
    caveat = data_set(params.data).caveat(clients, params.training_clients, params.rounds)
    write_runs_table(snakemake.input.runs, caveat, snakemake.output[0])
