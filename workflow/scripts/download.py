"""Fetch the archive of the data set, or copy the user's own; verified either way.

Where it comes from is read from the config, not from the rule's params: another copy of the same
file is no other data."""

from perfedavg.data.download import copy, fetch
from perfedavg.data.emnist62 import URLS
from perfedavg.data.sources import Emnist62
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    data = Emnist62(**snakemake.config["data"])
    if data.is_local:
        copy(data.archive, data.sha256, snakemake.output[0])
    else:
        fetch([data.archive] if data.archive else URLS, data.sha256, snakemake.output[0])
