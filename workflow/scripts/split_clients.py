"""Assign every client to training, validation or evaluation."""

from pathlib import Path

from perfedavg.data.splits import split_clients, write_split
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    write_split(snakemake.output[0], split_clients(store.client_ids(), **snakemake.params.split))
