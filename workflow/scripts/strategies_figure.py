"""Figure: accuracy against fine-tune epoch, for every way to personalize."""

import pandas as pd

from perfedavg.analysis.figures.strategies import strategies_data, strategies_figure
from perfedavg.analysis.strategies import as_runs
from perfedavg.analysis.summary import read_runs_table
from perfedavg.personalization.settings import FineTuning
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    params, tables = snakemake.params, snakemake.input
    ways = [FineTuning(**way) for way in params.strategies]
    rows = pd.concat(
        [pd.read_parquet(file) for file in [*tables.ordinary, *tables.further]], ignore_index=True
    )
    rows, runs = as_runs(rows, read_runs_table(tables.runs), params.reference, ways)
    data = strategies_data(rows, runs, ways)
    strategies_figure(data, ways, runs.caveat.iloc[0], snakemake.output.png.removesuffix(".png"))
