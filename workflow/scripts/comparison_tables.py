"""Tables `baselines` and `stage2`: models side by side on evaluation clients."""

from perfedavg.analysis.comparison import (
    COMPARISON,
    baseline_models,
    caption,
    comparison,
    readable,
    stage2_models,
)
from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.summary import load_evaluation, read_runs_table
from perfedavg.runtime.job import job
from perfedavg.storage.files import read_json

with job(snakemake.log[0]):
    runs, selection = read_runs_table(snakemake.input.runs), read_json(snakemake.input.selection)
    evaluation, reference = load_evaluation(snakemake.input.evaluation), snakemake.params.reference
    models = baseline_models(runs, selection, reference)
    wanted = [
        (snakemake.output.baselines[0], models, next(iter(models)), "FedAvg beside the baselines.")
    ]
    if snakemake.output.stage2:
        models = stage2_models(runs, selection, reference)
        against = "FedAvg continued" if "FedAvg continued" in models else next(iter(models))
        what = "Stage 2 and its controls, all from the same stage-1 models."
        wanted.append((snakemake.output.stage2[0], models, against, what))
    for path, models, against, what in wanted:
        table = comparison(evaluation, runs, selection, models, against)
        write_three_forms(
            COMPARISON, table, readable(table), caption(table, what), path.removesuffix(".csv")
        )
