"""Personalize held-out clients from the reference runs' last models, in every further way."""

from pathlib import Path

import pandas as pd

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.personalization.evaluate import PERSONALIZATION, personalize_run
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    groups = {
        group: read_group(snakemake.input.split[0], group) for group in (VALIDATION, EVALUATION)
    }
    strategies = [Personalization(**strategy) for strategy in snakemake.params.strategies]
    for run, checkpoints, path in zip(
        snakemake.params.runs, snakemake.input.checkpoints, snakemake.output, strict=True
    ):
        spec = RunSpec(**run)
        parts = [
            personalize_run(
                spec,
                checkpoints,
                store,
                {spec.rounds: clients},
                group,
                strategy,
                [spec.rounds],
                pool,
                spec.backend,
            )
            for strategy in strategies
            for group, clients in groups.items()
        ]
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), path)
