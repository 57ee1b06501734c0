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
            lib=library("personalize_strategies.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=packed(f"{RESULTS}/runs/{REFERENCE}-s{{seed}}/checkpoints", "seed"),
        output:
            packed(f"{RESULTS}/personalization/strategies/{REFERENCE}-s{{seed}}.parquet", "seed"),
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
            strategies=[
                {
                    **way,
                    "batch_size": experiment.personalization.batch_size,
                    "epochs": experiment.personalization.epochs,
                }
                for way in ALL_STRATEGIES[1:]
            ],
        script:
            "../scripts/personalize_strategies.py"
