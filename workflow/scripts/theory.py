"""FedAvg's update beside the other algorithms': table and figure `theory`."""

from perfedavg.analysis.figures.theory import theory_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.summary import read_runs_table
from perfedavg.analysis.theory_table import THEORY, caption, readable, theory_table
from perfedavg.job import job

with job(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    note = read_runs_table(snakemake.input.runs).note.iloc[0]
    table = theory_table(snakemake.input.measured, note)
    write_three_forms(THEORY, table, readable(table), caption(table, params.clients), output.table[0].removesuffix(".csv"))
    theory_figure(table, note, params.clients, params.models, output.figure[0].removesuffix(".png"))
