"""Choose the server learning rate of every algorithm on validation clients."""

import pandas as pd

from perfedavg.analysis.rates import choose_rates, costs
from perfedavg.runtime.job import job
from perfedavg.storage.files import write_json

with job(snakemake.log[0]):
    params = snakemake.params
    validation, rounds = (
        pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
        for files in (snakemake.input.validation, snakemake.input.rounds)
    )
    spent, seeds = costs(rounds, params.hessian_vector_product), params.seeds
    chosen = choose_rates(
        validation,
        spent,
        params.entries,
        params.compared_rounds,
        seeds,
        params.rounds,
        params.budget,
    )
    write_json(snakemake.output[0], chosen)
