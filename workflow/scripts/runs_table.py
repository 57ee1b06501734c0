"""Collect every run's settings and status in runs.csv."""

from pathlib import Path

from perfedavg.analysis.summary import write_runs_table
from perfedavg.data.notes import note_about
from perfedavg.data.store import ClientStore
from perfedavg.job import job

with job(snakemake.log[0]):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    params = snakemake.params
    note = note_about(store.metadata["dataset"], store.column("client_id"), params.training_clients, params.rounds)
    write_runs_table(snakemake.input.runs, note, snakemake.output[0])
