"""Train every held-out client alone: a fresh model on its own data."""

from pathlib import Path

import pandas as pd

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.personalization.evaluate import PERSONALIZATION, personalize_run
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.files import write_json
from perfedavg.storage.tables import EVALUATION, VALIDATION, write_table
from perfedavg.training.settings import BaselineSpec

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params, output = snakemake.params, snakemake.output
    store, settings = (
        ClientStore(Path(snakemake.input.store[0]).parent),
        Personalization(**params.personalization),
    )
    groups = {
        group: read_group(snakemake.input.split[0], group) for group in (VALIDATION, EVALUATION)
    }
    for run, path, validation, everyone in zip(
        params.runs, output.runs, output.validation, output.all, strict=True
    ):
        spec = BaselineSpec(**run)
        parts = [
            personalize_run(spec, None, store, {0: clients}, group, settings, [0], pool)
            for group, clients in groups.items()
        ]
        write_table(PERSONALIZATION, parts[0], validation)
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), everyone)
        write_json(path, run)
