"""Personalize validation clients from the runs of the algorithm comparison: all that server rates
are chosen by."""

from pathlib import Path

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.personalization.evaluate import PERSONALIZATION, personalize_run
from perfedavg.personalization.settings import Personalization
from perfedavg.runtime.job import job
from perfedavg.runtime.pool import Pool
from perfedavg.storage.tables import VALIDATION, write_table

with job(snakemake.log[0]), Pool(snakemake.threads) as pool:
    params = snakemake.params
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    clients, settings = (
        read_group(snakemake.input.split[0], VALIDATION),
        Personalization(**params.personalization),
    )
    for run, checkpoints, path in zip(
        params.runs, snakemake.input.checkpoints, snakemake.output, strict=True
    ):
        spec, rounds = RunSpec(**run), params.compared_rounds[run["setting"]]
        at = dict.fromkeys(rounds, clients)
        rows = personalize_run(
            spec, checkpoints, store, at, VALIDATION, settings, rounds, pool, spec.backend
        )
        write_table(PERSONALIZATION, rows, path)
