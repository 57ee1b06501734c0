"""Assign every client to training, validation or evaluation."""

from perfedavg.data.splits import split_clients, write_split
from perfedavg.data.store import ClientStore
from perfedavg.job import job

with job(snakemake.log[0]):
    store = ClientStore(snakemake.input.clients.rsplit("/", 1)[0])
    write_split(snakemake.output[0], split_clients(store.column("client_id").tolist(), **snakemake.params.split))
