"""Figure: accuracy against fine-tune epoch."""

from perfedavg.analysis.comparison import LOCAL_ONLY, baseline_models
from perfedavg.analysis.figures.finetune_curve import finetune_curve_data, finetune_curve_figure
from perfedavg.analysis.selection import headline_epochs
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    models = baseline_models(runs, selection, snakemake.params.reference)
    data = finetune_curve_data(load_evaluation(snakemake.input.evaluation), runs, models)
    local_epochs = headline_epochs(selection).get(LOCAL_ONLY)
    finetune_curve_figure(data, models, local_epochs, runs.note.iloc[0], snakemake.output.png.removesuffix(".png"))
