EVALUATED = expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS)
EVALUATED_STAGE1 = EVALUATED[: len(STAGE1)]
OPTIONAL = {
    "stage2": bool(STAGE2),
    "algorithms": bool(experiment.algorithms),
    "in_between": bool(experiment.algorithms and experiment.algorithms.in_between),
    "theory": bool(experiment.theory),
    "strategies": bool(experiment.strategies),
}
ASKED_FOR = [name for name, asked in OPTIONAL.items() if asked]
TABLES = ["table1", "baselines", *[name for name in ASKED_FOR if name != "in_between"], "data_card"]
FIGURES = ["rounds", "finetune_curve", "clients_before_after", *ASKED_FOR, "data_card"]


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
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("data_card"),
    params:
        dataset=experiment.data.dataset,
    script:
        "../scripts/data_card.py"


rule table1:
    input:
        lib=library("table1.py"),
        evaluation=EVALUATED_STAGE1,
        paper=PAPER_TARGETS if experiment.data.dataset == PAPER_DATASET else [],
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
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("table1"),
    params:
        target=experiment.target_accuracy,
        shown_epochs=list(experiment.personalization.shown_epochs),
    script:
        "../scripts/table1.py"


rule rounds_figure:
    input:
        lib=library("rounds_figure.py"),
        evaluation=EVALUATED_STAGE1,
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
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("rounds_figure"),
    params:
        target=experiment.target_accuracy,
    script:
        "../scripts/rounds_figure.py"


rule baselines_table:
    input:
        lib=library("comparison_table.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        csv=report(
            f"{RESULTS}/tables/baselines.csv",
            caption="../report/baselines_table.rst",
            category="Results",
            labels={"table": "FedAvg and baselines"},
        ),
        other=multiext(f"{RESULTS}/tables/baselines", ".md", ".tex"),
    log:
        f"{RESULTS}/logs/baselines_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/baselines_table.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("baselines_table"),
    params:
        reference=REFERENCE,
        stage2=False,
    script:
        "../scripts/comparison_table.py"


rule finetune_curve:
    input:
        lib=library("finetune_curve.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        png=report(
            f"{RESULTS}/figures/finetune_curve.png",
            caption="../report/finetune_curve.rst",
            category="Results",
            labels={"figure": "accuracy against fine-tune epoch"},
        ),
        other=multiext(f"{RESULTS}/figures/finetune_curve", ".pdf", ".svg", ".csv"),
    log:
        f"{RESULTS}/logs/finetune_curve.log",
    benchmark:
        f"{RESULTS}/benchmarks/finetune_curve.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("finetune_curve"),
    params:
        reference=REFERENCE,
    script:
        "../scripts/finetune_curve.py"


rule clients_before_after:
    input:
        lib=library("clients_before_after.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        png=report(
            f"{RESULTS}/figures/clients_before_after.png",
            caption="../report/clients_before_after.rst",
            category="Results",
            labels={"figure": "clients before and after"},
        ),
        other=multiext(f"{RESULTS}/figures/clients_before_after", ".pdf", ".svg", ".csv"),
    log:
        f"{RESULTS}/logs/clients_before_after.log",
    benchmark:
        f"{RESULTS}/benchmarks/clients_before_after.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("clients_before_after"),
    params:
        reference=REFERENCE,
    script:
        "../scripts/clients_before_after.py"


if STAGE2:

    rule stage2_table:
        input:
            lib=library("comparison_table.py"),
            evaluation=EVALUATED,
            runs=rules.runs_table.output[0],
            selection=rules.select.output[0],
        output:
            csv=report(
                f"{RESULTS}/tables/stage2.csv",
                caption="../report/stage2_table.rst",
                category="Results",
                labels={"table": "stage 2 and controls"},
            ),
            other=multiext(f"{RESULTS}/tables/stage2", ".md", ".tex"),
        log:
            f"{RESULTS}/logs/stage2_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/stage2_table.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("stage2_table"),
        params:
            reference=REFERENCE,
            stage2=True,
        script:
            "../scripts/comparison_table.py"

    rule stage2_figure:
        input:
            lib=library("stage2_figure.py"),
            evaluation=EVALUATED,
            runs=rules.runs_table.output[0],
            selection=rules.select.output[0],
        output:
            png=report(
                f"{RESULTS}/figures/stage2.png",
                caption="../report/stage2.rst",
                category="Results",
                labels={"figure": "stage 2 against rounds"},
            ),
            other=multiext(f"{RESULTS}/figures/stage2", ".pdf", ".svg", ".csv"),
        log:
            f"{RESULTS}/logs/stage2_figure.log",
        benchmark:
            f"{RESULTS}/benchmarks/stage2_figure.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("stage2_figure"),
        params:
            reference=REFERENCE,
        script:
            "../scripts/stage2_figure.py"


rule tables:
    # Every table, as CSV, Markdown and LaTeX.
    input:
        expand(f"{RESULTS}/tables/{{name}}.{{form}}", name=TABLES, form=["csv", "md", "tex"]),


rule figures:
    # Every figure, as PNG, PDF and SVG with its data as CSV.
    input:
        expand(f"{RESULTS}/figures/{{name}}.{{form}}", name=FIGURES, form=["png", "pdf", "svg", "csv"]),
