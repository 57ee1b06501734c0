"""Ways to personalize side by side: table and figure `strategies`."""

import pandas as pd

from perfedavg.analysis.figures.strategies import strategies_data, strategies_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.strategies import STRATEGIES, as_runs, caption, readable, strategies_table
from perfedavg.analysis.summary import read_runs_table
from perfedavg.job import job
from perfedavg.personalize import trained_parameters
from perfedavg.settings import FineTuning

with job(snakemake.log[0]):
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    ways = [FineTuning(**way) for way in params.strategies]
    sizes = [trained_parameters(params.model, way) for way in ways]
    rows = pd.concat([pd.read_parquet(file) for file in [*inputs.ordinary, *inputs.further]], ignore_index=True)
    rows, runs = as_runs(rows, read_runs_table(inputs.runs), params.reference, ways)
    table = strategies_table(rows, runs, ways, sizes)
    write_three_forms(STRATEGIES, table, readable(table), caption(table), output.table[0].removesuffix(".csv"))
    data = strategies_data(rows, runs, ways)
    strategies_figure(data, ways, runs.note.iloc[0], output.figure[0].removesuffix(".png"))
