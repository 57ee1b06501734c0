"""Fetch the archive of the data set."""

from perfedavg.data.download import fetch
from perfedavg.data.emnist62 import URLS
from perfedavg.job import job

with job(snakemake.log[0]):
    fetch([snakemake.params.url] if snakemake.params.url else URLS, snakemake.params.sha256, snakemake.output[0])
