"""Table `theory`: residuals of the identity, cosines and norm ratios of the algorithms' updates."""

from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.summary import read_runs_table
from perfedavg.analysis.theory_table import THEORY, caption, readable, theory_table
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    table = theory_table(
        snakemake.input.measured, read_runs_table(snakemake.input.runs).caveat.iloc[0]
    )
    base = snakemake.output.csv.removesuffix(".csv")
    write_three_forms(
        THEORY, table, readable(table), caption(table, snakemake.params.clients), base
    )
