"""Personalize validation clients, for selection."""

from pathlib import Path

from perfedavg.data.splits import read_group
from perfedavg.data.store import ClientStore
from perfedavg.job import job
from perfedavg.personalize import PERSONALIZATION, personalize_run
from perfedavg.settings import Personalization, RunSpec
from perfedavg.tables import VALIDATION, write_table

with job(snakemake.log[0]):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    clients = read_group(snakemake.input.split[0], VALIDATION)
    settings = Personalization(**snakemake.params.personalization)
    for run, checkpoints, output in zip(snakemake.params.runs, snakemake.input.checkpoints, snakemake.output, strict=True):
        spec = RunSpec(**run)
        rounds = spec.evaluated_rounds if snakemake.params.at_every_round else [spec.rounds]
        rows = personalize_run(spec, checkpoints, store, dict.fromkeys(rounds, clients), VALIDATION, settings, rounds)
        write_table(PERSONALIZATION, rows, output)
