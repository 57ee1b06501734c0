"""Make the client store of the data set."""

from pathlib import Path

from perfedavg.data.sets import data_set
from perfedavg.data.store import write_store
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    data = data_set(snakemake.params.data)
    folder, archive = Path(snakemake.output.examples).parent, snakemake.input.archive
    clients = data.clients(Path(archive) if archive else None, scratch=folder.parent)
    write_store(folder, clients, data.num_classes, {"dataset": data.dataset})
