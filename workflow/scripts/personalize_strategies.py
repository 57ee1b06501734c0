"""Personalize held-out clients from one run's last model, in every further way."""

from pathlib import Path

import pandas as pd

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run
from perfedavg.pool import Pool
from perfedavg.settings import Personalization, RunSpec
from perfedavg.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params, checkpoints = snakemake.params, snakemake.input.checkpoints
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    groups = {group: read_group(snakemake.input.split[0], group) for group in (VALIDATION, EVALUATION)}
    spec = RunSpec(**params.run)
    parts = [
        personalize_run(
            spec,
            checkpoints,
            store,
            {spec.rounds: clients},
            group,
            Personalization(**strategy),
            [spec.rounds],
            pool,
            spec.backend,
        )
        for strategy in params.strategies
        for group, clients in groups.items()
    ]
    write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), snakemake.output[0])
