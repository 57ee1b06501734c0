"""The algorithm comparison: table `algorithms`, figures `algorithms` and `in_between`."""

import pandas as pd

from perfedavg.analysis.algorithms import ALGORITHMS_TABLE, algorithms_table, caption, points, readable
from perfedavg.analysis.figures.algorithms import algorithms_figure
from perfedavg.analysis.figures.in_between import in_between_data, in_between_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.rates import costs
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    params, output, chosen = snakemake.params, snakemake.output, read_json(snakemake.input.rates[0])
    spent = costs(pd.concat([pd.read_parquet(file) for file in snakemake.input.rounds]), params.hessian_vector_product)
    runs, evaluation = read_runs_table(snakemake.input.runs), load_evaluation(snakemake.input.evaluation)
    note = runs.note.iloc[0]
    table = algorithms_table(evaluation, runs, spent, chosen, params.rates, params.target, params.target_rounds)
    shown = caption(table, chosen["budget"], params.hessian_vector_product)
    write_three_forms(ALGORITHMS_TABLE, table, readable(table), shown, output.table[0].removesuffix(".csv"))
    found = points(evaluation, runs, spent, chosen)
    own = found[found.entry.isin(params.entries)]
    algorithms_figure(own, params.entries, chosen["budget"], note, output.figure[0].removesuffix(".png"))
    if params.in_between:
        base = output.in_between[0].removesuffix(".png")
        in_between_figure(in_between_data(found, params.in_between), chosen["rounds"], params.steps, note, base)
