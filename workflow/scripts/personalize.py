"""Personalize held-out clients from federated models; validation clients get a file of their own,
for selection."""

from pathlib import Path

import pandas as pd

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.personalization.evaluate import PERSONALIZATION, personalize_run
from perfedavg.personalization.schedule import evaluated_clients
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params = snakemake.params
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    groups = {
        group: read_group(snakemake.input.split[0], group) for group in (VALIDATION, EVALUATION)
    }
    settings = Personalization(**params.personalization)
    files = zip(
        snakemake.input.checkpoints, snakemake.output.validation, snakemake.output.all, strict=True
    )
    for run, (checkpoints, validation, everyone) in zip(params.runs, files, strict=True):
        spec = RunSpec(**run)
        validated = spec.evaluated_rounds if params.validation_at_every_round else [spec.rounds]
        evaluated_at = {
            VALIDATION: dict.fromkeys(validated, groups[VALIDATION]),
            EVALUATION: evaluated_clients(
                groups[EVALUATION],
                spec.evaluated_rounds,
                spec.rounds,
                params.intermediate_clients,
                params.split_seed,
            ),
        }
        personalized = params.personalized_rounds or spec.evaluated_rounds
        parts = [
            personalize_run(
                spec, checkpoints, store, at, group, settings, personalized, pool, spec.backend
            )
            for group, at in evaluated_at.items()
        ]
        write_table(PERSONALIZATION, parts[0], validation)
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), everyone)
