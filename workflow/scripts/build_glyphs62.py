"""Make the client store of the built-in data set."""

from pathlib import Path

from perfedavg.data.glyphs62 import CLASSES, glyphs62_clients
from perfedavg.data.store import write_store
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    data = snakemake.params.data
    clients = glyphs62_clients(data["seed"], data["writers"], data["median_examples"])
    write_store(
        Path(snakemake.output.examples).parent,
        clients,
        num_classes=len(CLASSES),
        metadata={"dataset": data["dataset"]},
    )
