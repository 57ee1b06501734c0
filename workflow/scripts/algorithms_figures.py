"""Figures `algorithms` and `in_between`: the algorithm comparison."""

import pandas as pd

from perfedavg.analysis.algorithms import points
from perfedavg.analysis.figures.algorithms import algorithms_figure
from perfedavg.analysis.figures.in_between import in_between_data, in_between_figure
from perfedavg.analysis.rates import costs
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    params, chosen = snakemake.params, read_json(snakemake.input.rates[0])
    spent = costs(pd.concat([pd.read_parquet(file) for file in snakemake.input.rounds]), params.hessian_vector_product)
    runs, evaluation = read_runs_table(snakemake.input.runs), load_evaluation(snakemake.input.evaluation)
    note = runs.note.iloc[0]
    found = points(evaluation, runs, spent, chosen)
    own = found[found.entry.isin(params.entries)]
    algorithms_figure(own, params.entries, chosen["budget"], note, snakemake.output.png.removesuffix(".png"))
    if params.in_between:
        base = snakemake.output.in_between[0].removesuffix(".png")
        in_between_figure(in_between_data(found, params.in_between), chosen["rounds"], params.steps, note, base)
