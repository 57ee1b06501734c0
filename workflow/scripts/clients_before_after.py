"""Figure: every client before and after fine-tuning."""

from perfedavg.analysis.comparison import LOCAL_ONLY, baseline_models, paired_clients
from perfedavg.analysis.figures.clients_before_after import clients_before_after_figure
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    models = baseline_models(runs, selection, snakemake.params.reference)
    models = {name: setting for name, setting in models.items() if setting not in (LOCAL_ONLY, "centralized-matched")}
    clients = paired_clients(load_evaluation(snakemake.input.evaluation), runs, selection, models)
    clients_before_after_figure(clients, models, runs.note.iloc[0], snakemake.output.png.removesuffix(".png"))
