"""Table 1: accuracies at the last round and rounds to the target."""

from perfedavg.analysis.formats import write_three_forms
from perfedavg.analysis.summary import load_evaluation, read_runs_table, stage1
from perfedavg.analysis.table1 import PAPER, TABLE1, beside_the_paper, caption, readable, table1
from perfedavg.runtime.job import job
from perfedavg.storage.files import read_json
from perfedavg.storage.tables import read_table

with job(snakemake.log[0]):
    runs = stage1(read_runs_table(snakemake.input.runs))
    evaluation = load_evaluation(snakemake.input.evaluation)
    selection = read_json(snakemake.input.selection)
    table = table1(
        evaluation, runs, selection, snakemake.params.target, snakemake.params.shown_epochs
    )
    if snakemake.input.get("paper"):
        table = beside_the_paper(table, read_table(PAPER, snakemake.input.paper))
    base = snakemake.output.csv.removesuffix(".csv")
    write_three_forms(TABLE1, table, readable(table), caption(table, runs["rounds"].max()), base)
