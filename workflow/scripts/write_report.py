"""Put tables, figures and provenance on one page."""

from pathlib import Path

from perfedavg.analysis.report import write_report
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    names = [Path(table).stem for table in snakemake.input.tables]
    write_report(snakemake.output[0], Path(snakemake.output[0]).parent, names)
