"""Choose on validation clients where the centralized run of one seed is stopped."""

from pathlib import Path

import pandas as pd

from perfedavg.baselines.stopping import settle
from perfedavg.files import write_json
from perfedavg.job import job

with job(snakemake.log[0]):
    passes, reference = pd.read_parquet(snakemake.input.passes), pd.read_parquet(snakemake.input.reference)
    for run, output in zip(snakemake.params.runs, snakemake.output, strict=True):
        write_json(output, settle(run, passes, reference, Path(snakemake.input.reference).stem, snakemake.params.last_round))
