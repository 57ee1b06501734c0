EVALUATED = expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS)


rule data_card:
    input:
        lib=library("data_card.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
    output:
        table=multiext(f"{RESULTS}/tables/data_card", ".csv", ".md", ".tex"),
        figure=report(
            f"{RESULTS}/figures/data_card.png",
            caption="../report/data_card.rst",
            category="Data",
            labels={"figure": "data card"},
        ),
        other=multiext(f"{RESULTS}/figures/data_card", ".pdf", ".svg", ".csv"),
    log:
        f"{RESULTS}/logs/data_card.log",
    benchmark:
        f"{RESULTS}/benchmarks/data_card.jsonl"
    conda:
        ENVIRONMENT
    params:
        dataset=experiment.data.dataset,
    script:
        "../scripts/data_card.py"


rule table1:
    input:
        lib=library("table1.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        csv=report(
            f"{RESULTS}/tables/table1.csv",
            caption="../report/table1.rst",
            category="Results",
            labels={"table": "Table 1"},
        ),
        other=multiext(f"{RESULTS}/tables/table1", ".md", ".tex"),
    log:
        f"{RESULTS}/logs/table1.log",
    benchmark:
        f"{RESULTS}/benchmarks/table1.jsonl"
    conda:
        ENVIRONMENT
    params:
        target=experiment.target_accuracy,
        shown_epochs=list(experiment.personalization.shown_epochs),
    script:
        "../scripts/table1.py"


rule rounds_figure:
    input:
        lib=library("rounds_figure.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        png=report(
            f"{RESULTS}/figures/rounds.png",
            caption="../report/rounds.rst",
            category="Results",
            labels={"figure": "accuracy against rounds"},
        ),
        other=multiext(f"{RESULTS}/figures/rounds", ".pdf", ".svg", ".csv"),
    log:
        f"{RESULTS}/logs/rounds_figure.log",
    benchmark:
        f"{RESULTS}/benchmarks/rounds_figure.jsonl"
    conda:
        ENVIRONMENT
    params:
        target=experiment.target_accuracy,
    script:
        "../scripts/rounds_figure.py"


rule tables:
    # Every table, as CSV, Markdown and LaTeX.
    input:
        rules.table1.output,
        rules.data_card.output.table,


rule figures:
    # Every figure, as PNG, PDF and SVG with its data as CSV.
    input:
        rules.rounds_figure.output,
        rules.data_card.output.figure,
        rules.data_card.output.other,
