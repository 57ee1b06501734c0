"""Personalize held-out clients from the centralized models of one seed."""

from pathlib import Path

import pandas as pd

from perfedavg.baselines.settings import BEST, BaselineSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.files import read_json
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run
from perfedavg.pool import Pool
from perfedavg.settings import Personalization
from perfedavg.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params = snakemake.params
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    groups = {group: read_group(snakemake.input.split[0], group) for group in (VALIDATION, EVALUATION)}
    settings = Personalization(**params.personalization)
    files = zip(snakemake.input.runs, snakemake.output.validation, snakemake.output.all, strict=True)
    for run, validation, everyone in files:
        spec = BaselineSpec(**read_json(run))
        chosen = [spec.rounds] if spec.status == "finished" else []
        looked_at = {group: dict.fromkeys(chosen, clients) for group, clients in groups.items()}
        if spec.setting.endswith(BEST):  # initial accuracy after every pass too
            looked_at[EVALUATION] = dict.fromkeys(range(1, params.passes + 1), groups[EVALUATION])
        parts = [
            personalize_run(spec, snakemake.input.checkpoints, store, at, group, settings, chosen, pool)
            for group, at in looked_at.items()
        ]
        write_table(PERSONALIZATION, parts[0], validation)
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), everyone)
