"""Collect every run's settings and status in runs.csv."""

from perfedavg.analysis.summary import write_runs_table
from perfedavg.job import job

with job(snakemake.log[0]):
    write_runs_table(snakemake.input.runs, snakemake.output[0])
