"""Collect every run's settings and status in runs.csv."""

from pathlib import Path

from perfedavg.analysis.runs import write_runs_table
from perfedavg.data.caveats import caveat_about
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    params = snakemake.params
    caveat = caveat_about(
        store.metadata["dataset"], store.column("client_id"), params.training_clients, params.rounds
    )
    write_runs_table(snakemake.input.runs, caveat, snakemake.output[0])
