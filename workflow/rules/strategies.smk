# Further ways to personalize the reference runs' last models, compared with the ordinary one.

if experiment.strategies:
    STRATEGY_FILES = {
        "ordinary": expand(
            f"{RESULTS}/personalization/{REFERENCE}-s{{seed}}.parquet", seed=experiment.seeds
        ),
        "further": expand(
            f"{RESULTS}/personalization/strategies/{REFERENCE}-s{{seed}}.parquet",
            seed=experiment.seeds,
        ),
    }
    # The ordinary way first: the others are compared with it.
    ALL_STRATEGIES = [
        way.model_dump(mode="json", include={"layers", "optimizer", "lr"})
        for way in (experiment.personalization, *experiment.strategies)
    ]

    rule personalize_strategies:
        input:
            lib=library("personalize.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=packed(f"{RESULTS}/runs/{REFERENCE}-s{{seed}}/checkpoints", "seed"),
        output:
            all=packed(
                f"{RESULTS}/personalization/strategies/{REFERENCE}-s{{seed}}.parquet", "seed"
            ),
        log:
            f"{RESULTS}/logs/{job_name('personalize_strategies', 'personalize_strategies-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('personalize_strategies', 'personalize_strategies-s{seed}')}.jsonl"
        conda:
            ENVIRONMENT
        threads: BACK_END_THREADS
        resources:
            **needs("personalize_strategies"),
        params:
            packages=packages("numpy", "torch"),
            runs=settings_of(REFERENCES),
            schedules=schedules(REFERENCES, at_last_round),
            ways=[
                {
                    **way,
                    "batch_size": experiment.personalization.batch_size,
                    "epochs": experiment.personalization.epochs,
                }
                for way in ALL_STRATEGIES[1:]
            ],
        script:
            "../scripts/personalize.py"

    rule strategies_table:
        input:
            **STRATEGY_FILES,
            lib=library("strategies_table.py"),
            runs=rules.runs_table.output[0],
        output:
            csv=report(
                f"{RESULTS}/tables/strategies.csv",
                caption="../report/strategies_table.rst",
                category="Results",
                labels={"table": "ways to personalize"},
            ),
            other=multiext(f"{RESULTS}/tables/strategies", ".md", ".tex"),
        log:
            f"{RESULTS}/logs/strategies_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/strategies_table.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("strategies_table"),
        params:
            reference=REFERENCE,
            model=experiment.model,
            strategies=ALL_STRATEGIES,
        script:
            "../scripts/strategies_table.py"

    rule strategies_figure:
        input:
            **STRATEGY_FILES,
            lib=library("strategies_figure.py"),
            runs=rules.runs_table.output[0],
        output:
            png=report(
                f"{RESULTS}/figures/strategies.png",
                caption="../report/strategies.rst",
                category="Results",
                labels={"figure": "ways to personalize"},
            ),
            other=multiext(f"{RESULTS}/figures/strategies", ".pdf", ".svg", ".csv"),
        log:
            f"{RESULTS}/logs/strategies_figure.log",
        benchmark:
            f"{RESULTS}/benchmarks/strategies_figure.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("strategies_figure"),
        params:
            reference=REFERENCE,
            strategies=ALL_STRATEGIES,
        script:
            "../scripts/strategies_figure.py"
