EVALUATED = expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS)
EVALUATED_STAGE1 = EVALUATED[: len(STAGE1)]
OPTIONAL = {
    "stage2": bool(STAGE2),
    "algorithms": bool(experiment.algorithms),
    "interpolation": bool(experiment.algorithms and experiment.algorithms.interpolation),
    "theory": bool(experiment.theory),
    "strategies": bool(experiment.strategies),
}
ASKED_FOR = [name for name, asked in OPTIONAL.items() if asked]
TABLES = ["table1", "baselines", *[name for name in ASKED_FOR if name != "interpolation"], "data_card"]
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
        data=experiment.data.content,
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


# Tables apart from figures: the page reads the tables, and a deleted figure must stay one job.
rule comparison_tables:
    input:
        lib=library("comparison_tables.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        baselines=[
            report(
                f"{RESULTS}/tables/baselines.csv",
                caption="../report/baselines_table.rst",
                category="Results",
                labels={"table": "FedAvg and baselines"},
            ),
            *multiext(f"{RESULTS}/tables/baselines", ".md", ".tex"),
        ],
        stage2=(
            [
                report(
                    f"{RESULTS}/tables/stage2.csv",
                    caption="../report/stage2_table.rst",
                    category="Results",
                    labels={"table": "stage 2 and controls"},
                ),
                *multiext(f"{RESULTS}/tables/stage2", ".md", ".tex"),
            ]
            if STAGE2
            else []
        ),
    log:
        f"{RESULTS}/logs/comparison_tables.log",
    benchmark:
        f"{RESULTS}/benchmarks/comparison_tables.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("comparison_tables"),
    params:
        reference=REFERENCE,
    script:
        "../scripts/comparison_tables.py"


rule comparison_figures:
    input:
        lib=library("comparison_figures.py"),
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
    output:
        curve=[
            report(
                f"{RESULTS}/figures/finetune_curve.png",
                caption="../report/finetune_curve.rst",
                category="Results",
                labels={"figure": "accuracy against fine-tune epoch"},
            ),
            *multiext(f"{RESULTS}/figures/finetune_curve", ".pdf", ".svg", ".csv"),
        ],
        clients=[
            report(
                f"{RESULTS}/figures/clients_before_after.png",
                caption="../report/clients_before_after.rst",
                category="Results",
                labels={"figure": "clients before and after"},
            ),
            *multiext(f"{RESULTS}/figures/clients_before_after", ".pdf", ".svg", ".csv"),
        ],
        stage2=(
            [
                report(
                    f"{RESULTS}/figures/stage2.png",
                    caption="../report/stage2.rst",
                    category="Results",
                    labels={"figure": "stage 2 against rounds"},
                ),
                *multiext(f"{RESULTS}/figures/stage2", ".pdf", ".svg", ".csv"),
            ]
            if STAGE2
            else []
        ),
    log:
        f"{RESULTS}/logs/comparison_figures.log",
    benchmark:
        f"{RESULTS}/benchmarks/comparison_figures.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("comparison_figures"),
    params:
        reference=REFERENCE,
    script:
        "../scripts/comparison_figures.py"


rule tables:
    # Every table, as CSV, Markdown and LaTeX.
    input:
        expand(f"{RESULTS}/tables/{{name}}.{{form}}", name=TABLES, form=["csv", "md", "tex"]),


rule figures:
    # Every figure, as PNG, PDF and SVG with its data as CSV.
    input:
        expand(
            f"{RESULTS}/figures/{{name}}.{{form}}", name=FIGURES, form=["png", "pdf", "svg", "csv"]
        ),
