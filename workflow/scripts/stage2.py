"""Stage 2 and its controls: table and figure `stage2`."""

from perfedavg.analysis.comparison import COMPARISON, caption, comparison, readable, stage2_models
from perfedavg.analysis.figures.stage2 import stage2_data, stage2_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.summary import load_evaluation, read_runs_table, stage1
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    evaluation = load_evaluation(snakemake.input.evaluation)
    models = stage2_models(runs, selection, snakemake.params.reference)
    against = "FedAvg continued" if "FedAvg continued" in models else next(iter(models))
    what = "Stage 2 and its controls, all from the same stage-1 models."
    table = comparison(evaluation, runs, selection, models, against)
    base = snakemake.output.table[0].removesuffix(".csv")
    write_three_forms(COMPARISON, table, readable(table), caption(table, what), base)
    data = stage2_data(evaluation, runs, selection, models)
    switch, note = stage1(runs)["rounds"].max(), runs.note.iloc[0]
    stage2_figure(data, models, switch, note, snakemake.output.figure[0].removesuffix(".png"))
