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
