"""Figure: stage 2 and its controls against rounds."""

from perfedavg.analysis.comparison import stage2_models
from perfedavg.analysis.figures.stage2 import stage2_data, stage2_figure
from perfedavg.analysis.summary import load_evaluation, read_runs_table, stage1
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    models = stage2_models(runs, selection, snakemake.params.reference)
    data = stage2_data(load_evaluation(snakemake.input.evaluation), runs, selection, models)
    switch, note = stage1(runs)["rounds"].max(), runs.note.iloc[0]
    stage2_figure(data, models, switch, note, snakemake.output.png.removesuffix(".png"))
