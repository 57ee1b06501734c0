"""Put tables, figures and provenance on one page."""

from pathlib import Path

from perfedavg.analysis.report import write_report
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    write_report(Path(snakemake.output[0]), snakemake.params.products)
