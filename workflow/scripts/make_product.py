"""Make one product: a table in three forms, or a figure in three forms with its data."""

from pathlib import Path

from perfedavg.analysis.products import find
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    params, base = snakemake.params, Path(snakemake.output[0]).with_suffix("")
    find(params.kind, params.name).make(snakemake.input, params.settings, base)
