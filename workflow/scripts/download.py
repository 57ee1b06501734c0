"""Fetch the archive of the data set, verified.

Where it comes from is read from the config, not from the rule's params: another copy of the same
file is no other data."""

from perfedavg.data.download import fetch
from perfedavg.data.sets import data_set
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    data = data_set(snakemake.config["data"])
    urls = [data.archive] if data.archive else data.urls
    fetch(urls, snakemake.params.sha256, snakemake.output[0])
