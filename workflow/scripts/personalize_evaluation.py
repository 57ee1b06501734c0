"""Personalize evaluation clients; write their rows behind those of the validation clients."""

from pathlib import Path

import pandas as pd

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_evaluation
from perfedavg.settings import Personalization, RunSpec
from perfedavg.tables import EVALUATION, write_table

with job(snakemake.log[0]):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    clients = read_group(snakemake.input.split[0], EVALUATION)
    files = zip(snakemake.input.checkpoints, snakemake.input.validation, snakemake.output, strict=True)
    for run, (checkpoints, validation, output) in zip(snakemake.params.runs, files, strict=True):
        rows = personalize_evaluation(
            RunSpec(**run),
            checkpoints,
            store,
            clients,
            Personalization(**snakemake.params.personalization),
            snakemake.params.personalized_rounds,
            snakemake.params.intermediate_clients,
            snakemake.params.split_seed,
        )
        write_table(PERSONALIZATION, pd.concat([pd.read_parquet(validation), rows], ignore_index=True), output)
