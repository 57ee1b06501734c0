if experiment.theory:
    MEASURED_THEORY = expand(
        f"{RESULTS}/theory/{REFERENCE}-s{{seed}}.parquet", seed=experiment.seeds
    )

    rule measure_theory:
        input:
            lib=library("measure_theory.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=packed(f"{RESULTS}/runs/{REFERENCE}-s{{seed}}/checkpoints", "seed"),
        output:
            packed(f"{RESULTS}/theory/{REFERENCE}-s{{seed}}.parquet", "seed"),
        log:
            f"{RESULTS}/logs/{job_name('measure_theory', 'measure_theory-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('measure_theory', 'measure_theory-s{seed}')}.jsonl"
        conda:
            ENVIRONMENT
        resources:
            **needs("measure_theory"),
        params:
            packages=packages("numpy", "torch"),
            runs=settings_of(REFERENCES),
            theory=experiment.theory.model_dump(mode="json"),
        script:
            "../scripts/measure_theory.py"

    rule theory_table:
        input:
            lib=library("theory_table.py"),
            measured=MEASURED_THEORY,
            runs=rules.runs_table.output[0],
        output:
            csv=report(
                f"{RESULTS}/tables/theory.csv",
                caption="../report/theory_table.rst",
                category="Results",
                labels={"table": "FedAvg's update and MAML"},
            ),
            other=multiext(f"{RESULTS}/tables/theory", ".md", ".tex"),
        log:
            f"{RESULTS}/logs/theory_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/theory_table.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("theory_table"),
        params:
            clients=experiment.theory.clients,
        script:
            "../scripts/theory_table.py"

    rule theory_figure:
        input:
            lib=library("theory_figure.py"),
            measured=MEASURED_THEORY,
            runs=rules.runs_table.output[0],
        output:
            png=report(
                f"{RESULTS}/figures/theory.png",
                caption="../report/theory.rst",
                category="Results",
                labels={"figure": "FedAvg's update and MAML"},
            ),
            other=multiext(f"{RESULTS}/figures/theory", ".pdf", ".svg", ".csv"),
        log:
            f"{RESULTS}/logs/theory_figure.log",
        benchmark:
            f"{RESULTS}/benchmarks/theory_figure.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("theory_figure"),
        params:
            clients=experiment.theory.clients,
            models=len(experiment.theory.rounds) * len(experiment.seeds),
        script:
            "../scripts/theory_figure.py"
