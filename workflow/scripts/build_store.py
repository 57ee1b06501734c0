"""Make the client store of the config's data set."""

from pathlib import Path

from perfedavg.data.download import verify
from perfedavg.data.sources import clients_of
from perfedavg.data.store import write_store
from perfedavg.job import job

with job(snakemake.log[0]):
    settings, archive = snakemake.params.data, snakemake.input.get("archive")
    folder = Path(snakemake.output.examples).parent
    if archive:
        verify(archive, settings["sha256"])
    clients, num_classes = clients_of(settings["dataset"], settings, archive and Path(archive), scratch=folder.parent)
    write_store(folder, clients, num_classes, metadata={"dataset": settings["dataset"]})
