"""Fetch the archive of the data set, verified; one of the user's own is read where it lies.

Where it comes from is read from the config, not from the rule's params: another copy of the same
file is no other data."""

from perfedavg.data.download import fetch, write_note
from perfedavg.data.sets import data_set
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    data = data_set(snakemake.config["data"])
    if data.is_local:
        write_note(snakemake.output[0])
    else:
        urls = [data.archive] if data.archive else data.urls
        fetch(urls, snakemake.params.sha256, snakemake.output[0])
