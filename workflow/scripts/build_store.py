"""Make the client store of the data set.

Where an archive of the user's own lies is read from the config, not from the rule's params: another
copy of the same file is no other data."""

from pathlib import Path

from perfedavg.data.archives import identified
from perfedavg.data.sets import data_set
from perfedavg.data.store import write_store
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    params, archive = snakemake.params, snakemake.input.archive
    data, folder = data_set(params.data), Path(snakemake.output.examples).parent
    if params.checksums:
        own = data_set(params.data | {"archive": snakemake.config["data"]["archive"]})
        archive = identified(own, Path(params.checksums)).archive
    clients = data.clients(Path(archive) if archive else None, scratch=folder.parent)
    write_store(folder, clients, data.num_classes, {"dataset": data.dataset})
