"""Table `algorithms`: the algorithm comparison."""

import pandas as pd

from perfedavg.analysis.algorithms import ALGORITHMS_TABLE, algorithms_table, caption, readable
from perfedavg.analysis.formats import write_three_forms
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
    table = algorithms_table(
        evaluation, runs, spent, chosen, params.rates, params.target, params.target_rounds
    )
    base = snakemake.output.csv.removesuffix(".csv")
    shown = caption(table, chosen["budget"], params.hessian_vector_product)
    write_three_forms(ALGORITHMS_TABLE, table, readable(table), shown, base)
