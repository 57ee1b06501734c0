"""Personalize held-out clients from centralized models, or train them on their own data alone."""

from pathlib import Path

import pandas as pd

from perfedavg.baselines.settings import BEST, BaselineSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.files import read_json
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run
from perfedavg.settings import Personalization
from perfedavg.tables import EVALUATION, VALIDATION, write_table

with job(snakemake.log[0]):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    settings = Personalization(**snakemake.params.personalization)
    files = zip(snakemake.input.runs, snakemake.output.validation, snakemake.output.all, strict=True)
    for run, validation, everyone in files:
        spec = BaselineSpec(**read_json(run))
        checkpoints = snakemake.input.get("checkpoints")
        parts = {}
        for group in (VALIDATION, EVALUATION):
            clients = read_group(snakemake.input.split[0], group)
            at = {spec.rounds: clients}
            if group == EVALUATION and spec.setting.endswith(BEST):  # its initial accuracy after every pass
                at = dict.fromkeys(range(1, snakemake.params.passes + 1), clients)
            parts[group] = personalize_run(spec, checkpoints, store, at, group, settings, [spec.rounds])
        write_table(PERSONALIZATION, parts[VALIDATION], validation)
        write_table(PERSONALIZATION, pd.concat(parts.values(), ignore_index=True), everyone)
