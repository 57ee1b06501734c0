"""Figures `algorithms` and `interpolation`: the algorithm comparison."""

import pandas as pd

from perfedavg.analysis.algorithms import points
from perfedavg.analysis.figures.algorithms import algorithms_figure
from perfedavg.analysis.figures.interpolation import interpolation_data, interpolation_figure
from perfedavg.analysis.rates import costs
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.runtime.job import job
from perfedavg.storage.files import read_json

with job(snakemake.log[0]):
    params, chosen = snakemake.params, read_json(snakemake.input.rates[0])
    spent = costs(
        pd.concat([pd.read_parquet(file) for file in snakemake.input.rounds]),
        params.hessian_vector_product,
    )
    runs, evaluation = (
        read_runs_table(snakemake.input.runs),
        load_evaluation(snakemake.input.evaluation),
    )
    caveat = runs.caveat.iloc[0]
    found = points(evaluation, runs, spent, chosen)
    own = found[found.entry.isin(params.entries)]
    algorithms_figure(
        own, params.entries, chosen["budget"], caveat, snakemake.output.png.removesuffix(".png")
    )
    if params.interpolation:
        base = snakemake.output.interpolation[0].removesuffix(".png")
        interpolation_figure(
            interpolation_data(found, params.interpolation),
            chosen["rounds"],
            params.steps,
            caveat,
            base,
        )
