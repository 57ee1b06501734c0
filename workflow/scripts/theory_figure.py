"""Figure: the identity of FedAvg and FOMAML, and how the algorithms' updates lie to each other."""

from perfedavg.analysis.figures.theory import theory_figure
from perfedavg.analysis.summary import read_runs_table
from perfedavg.analysis.theory_table import theory_table
from perfedavg.runtime.job import job

with job(snakemake.log[0]):
    caveat = read_runs_table(snakemake.input.runs).caveat.iloc[0]
    table = theory_table(snakemake.input.measured, caveat)
    theory_figure(
        table,
        caveat,
        snakemake.params.clients,
        snakemake.params.models,
        snakemake.output.png.removesuffix(".png"),
    )
