"""Tables `stage2` and `baselines`: models side by side on the same evaluation clients."""

from perfedavg.analysis.comparison import COMPARISON, baseline_models, caption, comparison, readable, stage2_models
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.files import read_json
from perfedavg.job import job

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    evaluation = load_evaluation(snakemake.input.evaluation)
    if snakemake.params.stage2:
        models = stage2_models(runs, selection, snakemake.params.reference)
        against = "FedAvg continued" if "FedAvg continued" in models else next(iter(models))
        what = "Stage 2 and its controls, all from the same stage-1 models."
    else:
        models = baseline_models(runs, selection, snakemake.params.reference)
        against = next(iter(models))
        what = "FedAvg beside the baselines."
    table = comparison(evaluation, runs, selection, models, against)
    base = snakemake.output.csv.removesuffix(".csv")
    write_three_forms(COMPARISON, table, readable(table), caption(table, what), base)
