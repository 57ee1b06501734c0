"""Choose on validation clients what will be reported on evaluation clients."""

import pandas as pd

from perfedavg.analysis.selection import select
from perfedavg.runtime.job import job
from perfedavg.storage.files import read_json

with job(snakemake.log[0], snakemake):
    validation = pd.concat(
        [pd.read_parquet(file) for file in snakemake.input.validation], ignore_index=True
    )
    runs = pd.DataFrame(
        [read_json(file) for file in snakemake.input.runs],
        columns=["run_id", "setting", "study", "rounds"],
    )
    select(validation, runs, snakemake.params.reptile).save(snakemake.output[0])
