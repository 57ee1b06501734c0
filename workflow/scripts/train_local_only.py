"""Train every held-out client alone: a fresh model on its own data."""

from pathlib import Path

import pandas as pd

from perfedavg.baselines.settings import BaselineSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.files import write_json
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run
from perfedavg.pool import Pool
from perfedavg.settings import Personalization
from perfedavg.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    (run,) = snakemake.params.runs
    spec, settings = BaselineSpec(**run), Personalization(**snakemake.params.personalization)
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    parts = [
        personalize_run(spec, None, store, {0: read_group(snakemake.input.split[0], group)}, group, settings, [0], pool)
        for group in (VALIDATION, EVALUATION)
    ]
    write_table(PERSONALIZATION, parts[0], snakemake.output.validation)
    write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), snakemake.output.all)
    write_json(snakemake.output.run, run)
