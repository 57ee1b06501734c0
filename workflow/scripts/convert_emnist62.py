"""Convert EMNIST-62's archive to a client store."""

from pathlib import Path

from perfedavg.data.emnist62 import CLASSES, emnist62_clients
from perfedavg.data.store import write_store
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    folder = Path(snakemake.output.examples).parent
    clients = emnist62_clients(snakemake.input.archive, scratch=folder.parent)
    write_store(
        folder, clients, num_classes=CLASSES, metadata={"dataset": snakemake.params.data["dataset"]}
    )
