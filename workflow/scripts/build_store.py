"""Make the client store of the data set.

Where an archive of the user's own lies is read from the config, not from the rule's params: another
copy of the same file is no other data."""

from pathlib import Path

from perfedavg.data.download import is_note
from perfedavg.data.sets import data_set
from perfedavg.data.store import write_store
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.job import job

with job(snakemake.log[0], snakemake):
    block, archive = snakemake.params.data, snakemake.input.archive
    folder, data = Path(snakemake.output.examples).parent, data_set(block)
    if not isinstance(archive, str):  # files of the user's own, or none
        data, archive = data.reading(archive), None
    else:
        configured = data_set(block | {"archive": snakemake.config["data"].get("archive")})
        if configured.is_local:
            archive = configured.archive
        elif is_note(archive):
            raise PerfedavgError(
                f"{archive} stands for an archive of your own, which data.archive no longer names; "
                "delete it, so that the archive is downloaded."
            )
    clients = data.clients(Path(archive) if archive else None, scratch=folder.parent)
    write_store(folder, clients, data.num_classes, data.metadata)
