"""Make the client store of the data set."""

from pathlib import Path

from perfedavg.data.sets import data_set
from perfedavg.data.store import write_store
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    archive = snakemake.input.archive
    data = data_set(snakemake.params.data)
    if not isinstance(archive, str):  # files of the user's own, or none
        data, archive = data.reading(archive), None
    folder = Path(snakemake.output.examples).parent
    clients = data.clients(Path(archive) if archive else None, scratch=folder.parent)
    write_store(folder, clients, data.num_classes, data.metadata)
