"""Set the article from tables, figures and provenance."""

from pathlib import Path

from perfedavg.analysis.article import write_article
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    params, files = snakemake.params, snakemake.input
    write_article(
        Path(snakemake.output[0]),
        params.products,
        params.kind,
        params.network,
        files.protocol,
        files.targets,
    )
