"""Figure: initial and personalized accuracy against rounds."""

from perfedavg.analysis.figures.rounds import rounds_data, rounds_figure
from perfedavg.analysis.summary import load_evaluation, read_runs_table, stage1
from perfedavg.runtime.job import job
from perfedavg.storage.files import read_json

with job(snakemake.log[0]):
    runs = stage1(read_runs_table(snakemake.input.runs))
    data = rounds_data(
        load_evaluation(snakemake.input.evaluation), runs, read_json(snakemake.input.selection)
    )
    rounds_figure(data, runs, snakemake.params.target, snakemake.output.png.removesuffix(".png"))
