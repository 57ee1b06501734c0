"""Personalize evaluation clients; write their rows behind those of the validation clients."""

from pathlib import Path

import pandas as pd

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run, rounds_looked_at
from perfedavg.settings import Personalization, RunSpec
from perfedavg.tables import EVALUATION, write_table

with job(snakemake.log[0]):
    params = snakemake.params
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    clients = read_group(snakemake.input.split[0], EVALUATION)
    settings = Personalization(**params.personalization)
    files = zip(snakemake.input.checkpoints, snakemake.input.validation, snakemake.output, strict=True)
    for run, (checkpoints, validation, output) in zip(params.runs, files, strict=True):
        spec = RunSpec(**run)
        at = rounds_looked_at(clients, spec.evaluated_rounds, spec.rounds, params.intermediate_clients, params.split_seed)
        personalized = params.personalized_rounds or spec.evaluated_rounds
        rows = personalize_run(spec, checkpoints, store, at, EVALUATION, settings, personalized)
        write_table(PERSONALIZATION, pd.concat([pd.read_parquet(validation), rows], ignore_index=True), output)
