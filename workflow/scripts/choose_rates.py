"""Choose the server learning rate of every algorithm on validation clients."""

import pandas as pd

from perfedavg.analysis.server_rates import choose_rates, costs
from perfedavg.runtime.job import job
from perfedavg.storage.contracts import PERSONALIZATION, ROUNDS
from perfedavg.storage.tables import read_tables

with job(snakemake.log[0], snakemake):
    params = snakemake.params
    validation = read_tables(PERSONALIZATION, snakemake.input.validation)
    rounds = read_tables(ROUNDS, snakemake.input.rounds)
    spent = costs(rounds, params.hessian_vector_product)
    runs = pd.DataFrame(params.runs, columns=["run_id", "setting", "entry"])
    rates = choose_rates(
        validation, spent, runs, params.compared_rounds, params.rounds, params.budget
    )
    rates.save(snakemake.output[0])
