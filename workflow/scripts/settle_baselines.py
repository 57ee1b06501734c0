"""Say what each baseline run is; choose on validation clients where a centralized one is stopped."""

from pathlib import Path

import pandas as pd

from perfedavg.baselines.stopping import settle
from perfedavg.files import write_json
from perfedavg.job import job

with job(snakemake.log[0]):
    params = snakemake.params
    passes, references = (
        dict(zip(params.seeds, files, strict=True)) for files in (snakemake.input.passes, snakemake.input.reference)
    )
    for run, output in zip(params.runs, snakemake.output, strict=True):
        seed = run["seed"]
        if run["algorithm"] == "centralized":
            rows = pd.read_parquet(references[seed])
            run = settle(run, pd.read_parquet(passes[seed]), rows, Path(references[seed]).stem, params.last_round)
        write_json(output, run)
