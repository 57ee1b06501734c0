"""Table `strategies`: ways to personalize side by side."""

import pandas as pd

from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.strategies import STRATEGIES, as_runs, caption, readable, strategies_table
from perfedavg.analysis.summary import read_runs_table
from perfedavg.models import trained_parameters
from perfedavg.personalization.settings import FineTuning
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    params, tables = snakemake.params, snakemake.input
    ways = [FineTuning(**way) for way in params.strategies]
    sizes = [trained_parameters(params.model, way.layers) for way in ways]
    rows = pd.concat(
        [pd.read_parquet(file) for file in [*tables.ordinary, *tables.further]], ignore_index=True
    )
    rows, runs = as_runs(rows, read_runs_table(tables.runs), params.reference, ways)
    table = strategies_table(rows, runs, ways, sizes)
    base = snakemake.output.csv.removesuffix(".csv")
    write_three_forms(STRATEGIES, table, readable(table), caption(table), base)
