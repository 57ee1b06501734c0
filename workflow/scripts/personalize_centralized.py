"""Choose on validation clients where centralized runs are stopped, and personalize held-out clients
from there."""

from itertools import cycle
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
from perfedavg.training.settings import BEST, BaselineSpec
from perfedavg.training.stopping import settle

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    store = ClientStore(Path(inputs.store[0]).parent)
    groups = {group: read_group(inputs.split[0], group) for group in (VALIDATION, EVALUATION)}
    settings = Personalization(**params.personalization)
    seeds = cycle(
        zip(inputs.passes, inputs.checkpoints, inputs.reference, strict=True)
    )  # every way to stop has all of them
    files = zip(params.runs, output.runs, output.validation, output.all, strict=True)
    for (run, path, validation, everyone), (passes, checkpoints, reference) in zip(
        files, seeds, strict=False
    ):
        settled = settle(
            run,
            pd.read_parquet(passes),
            pd.read_parquet(reference),
            Path(reference).stem,
            params.last_round,
        )
        write_json(path, settled)
        spec = BaselineSpec(**settled)
        chosen = [spec.rounds] if spec.status == "finished" else []
        evaluated_at = {group: dict.fromkeys(chosen, clients) for group, clients in groups.items()}
        if spec.setting.endswith(BEST):  # initial accuracy after every pass too
            evaluated_at[EVALUATION] = dict.fromkeys(
                range(1, params.passes + 1), groups[EVALUATION]
            )
        parts = [
            personalize_run(spec, checkpoints, store, at, group, settings, chosen, pool)
            for group, at in evaluated_at.items()
        ]
        write_table(PERSONALIZATION, parts[0], validation)
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), everyone)
