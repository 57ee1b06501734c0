"""Figures `finetune_curve`, `clients_before_after` and `stage2`: models side by side on evaluation
clients."""

from perfedavg.analysis.comparison import LOCAL_ONLY, baseline_models, paired_clients, stage2_models
from perfedavg.analysis.figures.clients_before_after import clients_before_after_figure
from perfedavg.analysis.figures.finetune_curve import finetune_curve_data, finetune_curve_figure
from perfedavg.analysis.figures.stage2 import stage2_data, stage2_figure
from perfedavg.analysis.selection import selected_epochs
from perfedavg.analysis.summary import load_evaluation, read_runs_table, stage1
from perfedavg.runtime.job import job
from perfedavg.storage.files import read_json

with job(snakemake.log[0]):
    output, reference = snakemake.output, snakemake.params.reference
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    evaluation, caveat = load_evaluation(snakemake.input.evaluation), runs.caveat.iloc[0]

    models = baseline_models(runs, selection, reference)
    curve, local_epochs = (
        finetune_curve_data(evaluation, runs, models),
        selected_epochs(selection).get(LOCAL_ONLY),
    )
    finetune_curve_figure(curve, models, local_epochs, caveat, output.curve[0].removesuffix(".png"))

    models = {
        name: setting
        for name, setting in models.items()
        if setting not in (LOCAL_ONLY, "centralized-matched")
    }
    clients = paired_clients(evaluation, runs, selection, models)
    clients_before_after_figure(clients, models, caveat, output.clients[0].removesuffix(".png"))

    if output.stage2:
        models = stage2_models(runs, selection, reference)
        data, switch = (
            stage2_data(evaluation, runs, selection, models),
            stage1(runs)["rounds"].max(),
        )
        stage2_figure(data, models, switch, caveat, output.stage2[0].removesuffix(".png"))
