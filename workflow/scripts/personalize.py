"""Personalize held-out clients from federated models; validation clients get a file of their own, for selection."""

from pathlib import Path

import pandas as pd

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run, rounds_looked_at
from perfedavg.pool import Pool
from perfedavg.settings import Personalization, RunSpec
from perfedavg.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params = snakemake.params
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    groups = {group: read_group(snakemake.input.split[0], group) for group in (VALIDATION, EVALUATION)}
    settings = Personalization(**params.personalization)
    files = zip(snakemake.input.checkpoints, snakemake.output.validation, snakemake.output.all, strict=True)
    for run, (checkpoints, validation, everyone) in zip(params.runs, files, strict=True):
        spec = RunSpec(**run)
        validated = spec.evaluated_rounds if params.validation_at_every_round else [spec.rounds]
        looked_at = {
            VALIDATION: dict.fromkeys(validated, groups[VALIDATION]),
            EVALUATION: rounds_looked_at(
                groups[EVALUATION], spec.evaluated_rounds, spec.rounds, params.intermediate_clients, params.split_seed
            ),
        }
        personalized = params.personalized_rounds or spec.evaluated_rounds
        parts = [
            personalize_run(spec, checkpoints, store, at, group, settings, personalized, pool, spec.backend)
            for group, at in looked_at.items()
        ]
        write_table(PERSONALIZATION, parts[0], validation)
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), everyone)
