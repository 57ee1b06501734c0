"""Say what each baseline run of one seed is; choose on validation clients where a centralized one is stopped."""

from pathlib import Path

import pandas as pd

from perfedavg.baselines.stopping import settle
from perfedavg.files import write_json
from perfedavg.job import job

with job(snakemake.log[0]):
    passes, reference = snakemake.input.get("passes"), snakemake.input.get("reference")
    for run, output in zip(snakemake.params.runs, snakemake.output, strict=True):
        if run["algorithm"] == "centralized":
            tables = pd.read_parquet(passes), pd.read_parquet(reference)
            run = settle(run, *tables, Path(reference).stem, snakemake.params.last_round)
        write_json(output, run)
