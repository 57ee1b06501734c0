"""Fetch the archive of the data set, or copy the user's own; verified either way.

Where it comes from is read from the config, not from the rule's params: another copy of the same
file is no other data."""

from perfedavg.data.download import copy, fetch
from perfedavg.data.sets import data_set
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    data = data_set(snakemake.config["data"])
    if data.is_local:
        copy(data.archive, data.sha256, snakemake.output[0])
    else:
        fetch([data.archive] if data.archive else data.urls, data.sha256, snakemake.output[0])
