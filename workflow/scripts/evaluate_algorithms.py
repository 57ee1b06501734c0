"""Personalize evaluation clients from those runs of the algorithm comparison whose server rate was
chosen."""

from pathlib import Path

import pandas as pd

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.personalization.evaluate import PERSONALIZATION, personalize_run
from perfedavg.personalization.schedule import intermediate_subset
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.files import read_json
from perfedavg.storage.tables import EVALUATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params = snakemake.params
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    everyone = read_group(snakemake.input.split[0], EVALUATION)
    subset = intermediate_subset(everyone, params.intermediate_clients, params.split_seed)
    settings = Personalization(**params.personalization)
    choices = read_json(snakemake.input.rates[0])["entries"].values()
    chosen = {
        choice["setting"]
        for bases in choices
        for choice in bases.values()
        if isinstance(choice, dict)
    }
    files = zip(
        snakemake.input.checkpoints, snakemake.input.validation, snakemake.output, strict=True
    )
    for run, (checkpoints, validation, path) in zip(params.runs, files, strict=True):
        parts = [pd.read_parquet(validation)]
        if run["setting"] in chosen:
            at = {
                n: everyone if n in params.compared_rounds[run["setting"]] else subset
                for n in run["evaluated_rounds"]
            }
            spec = RunSpec(**run)
            parts.append(
                personalize_run(
                    spec, checkpoints, store, at, EVALUATION, settings, list(at), pool, spec.backend
                )
            )
        write_table(PERSONALIZATION, pd.concat(parts, ignore_index=True), path)
