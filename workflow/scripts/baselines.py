"""FedAvg beside the baselines: table `baselines`, figures `finetune_curve` and `clients_before_after`."""

from perfedavg.analysis.comparison import COMPARISON, LOCAL_ONLY, baseline_models, caption, comparison, paired_clients, readable
from perfedavg.analysis.figures.clients_before_after import clients_before_after_figure
from perfedavg.analysis.figures.finetune_curve import finetune_curve_data, finetune_curve_figure
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.selection import headline_epochs
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    evaluation, note = load_evaluation(snakemake.input.evaluation), runs.note.iloc[0]
    models = baseline_models(runs, selection, snakemake.params.reference)
    what = "FedAvg beside the baselines."
    table = comparison(evaluation, runs, selection, models, next(iter(models)))
    base = snakemake.output.table[0].removesuffix(".csv")
    write_three_forms(COMPARISON, table, readable(table), caption(table, what), base)
    curve = finetune_curve_data(evaluation, runs, models)
    base = snakemake.output.curve[0].removesuffix(".png")
    finetune_curve_figure(curve, models, headline_epochs(selection).get(LOCAL_ONLY), note, base)
    shown = {name: setting for name, setting in models.items() if setting not in (LOCAL_ONLY, "centralized-matched")}
    clients = paired_clients(evaluation, runs, selection, shown)
    clients_before_after_figure(clients, shown, note, snakemake.output.clients[0].removesuffix(".png"))
