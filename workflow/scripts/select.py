"""Choose on validation clients what will be reported on evaluation clients."""

import pandas as pd

from perfedavg.analysis.selection import select
from perfedavg.files import read_json, write_json
from perfedavg.job import job

with job(snakemake.log[0]):
    validation = pd.concat([pd.read_parquet(file) for file in snakemake.input.validation], ignore_index=True)
    runs = [read_json(file) for file in snakemake.input.runs]
    write_json(snakemake.output[0], select(validation, runs, snakemake.params.reptile))
