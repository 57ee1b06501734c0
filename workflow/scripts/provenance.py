"""Write down what ran, on what, from which sources."""

from pathlib import Path

from perfedavg.analysis.provenance import provenance
from perfedavg.data.store import ClientStore
from perfedavg.runtime.job import job
from perfedavg.storage.files import write_json

with job(snakemake.log[0], snakemake):
    store = ClientStore(Path(snakemake.input.store[0]).parent)
    facts = provenance(snakemake.params.config, store.data_sha256)
    write_json(snakemake.output[0], facts | {"network": snakemake.params.network})
