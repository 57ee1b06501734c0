"""Choose on validation clients what will be reported on evaluation clients."""

from perfedavg.analysis.runs import read_runs
from perfedavg.analysis.selection import select
from perfedavg.runtime.job import job
from perfedavg.storage.contracts import PERSONALIZATION
from perfedavg.storage.tables import read_tables

with job(snakemake.log[0], snakemake):
    validation = read_tables(PERSONALIZATION, snakemake.input.validation)
    select(validation, read_runs(snakemake.input.runs), snakemake.params.reptile).save(
        snakemake.output[0]
    )
