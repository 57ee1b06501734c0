"""Assign every client to training, validation or evaluation, or leave it out."""

from pathlib import Path

from perfedavg.data.splits import leave_out_empty, named_clients, split_clients, write_split
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    store, rule = ClientStore(Path(snakemake.input.store[0]).parent), snakemake.params.split
    refuse = rule["empty_clients"] == "refuse"
    if snakemake.input.file:
        split = named_clients(store.client_ids(), snakemake.input.file)
    else:
        numbers = {key: rule[key] for key in ("order", "training_clients", "validation_clients")}
        split = split_clients(store.client_ids(), **numbers, seed=rule["seed"])
    write_split(snakemake.output[0], leave_out_empty(split, store, refuse))
