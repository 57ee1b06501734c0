if STUDIES.centralized:
    JOB = JOBS["train_centralized"]

    rule train_centralized:
        input:
            **CLIENTS,
        output:
            passes=JOB.paths(f"{RESULTS}/runs/{{run}}/passes.parquet")[0],
            checkpoints=directory(JOB.paths(CHECKPOINTS)[0]),
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        priority: 10
        conda:
            ENVIRONMENT
        resources:
            **JOB.limits,
        params:
            *code("train_centralized.py", NETWORK),
            model=experiment.network,
            settings=STUDIES.centralized.model_dump(
                mode="json", exclude={"personalize_every", "fine_tuning_lr"}
            ),
            packages=TORCH,
        script:
            "../scripts/train_centralized.py"

    JOB = JOBS["personalize_centralized"]
    PASSES = JOBS["train_centralized"]

    rule personalize_centralized:
        input:
            **CLIENTS,
            passes=JOB.per_seed(PASSES, f"{RESULTS}/runs/{{run}}/passes.parquet"),
            checkpoints=ancient(JOB.per_seed(PASSES, CHECKPOINTS)),
            reference=JOB.per_seed(JOBS.references, VALIDATION_ROWS),
        # In the order of the runs: one way to stop after the other, each with every seed of the job.
        output:
            runs=JOB.paths(RUN_FILES[2]),
            validation=JOB.paths(VALIDATION_ROWS),
            all=JOB.paths(ALL_ROWS),
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        conda:
            ENVIRONMENT
        threads: JOB.threads
        resources:
            **JOB.limits,
        params:
            *code("personalize_centralized.py", NETWORK),
            packages=TORCH,
            runs=JOB.settings,
            last_round=experiment.training.rounds,
            ways=[with_rate(ORDINARY, STUDIES.centralized)],
            passes=STUDIES.centralized.passes,
            personalize_every=STUDIES.centralized.personalize_every,
        script:
            "../scripts/personalize_centralized.py"


if STUDIES.theory:
    JOB = JOBS["measure_theory"]

    rule measure_theory:
        input:
            **CLIENTS,
            checkpoints=ancient(JOB.paths(CHECKPOINTS)),
            models=JOB.paths(RUN_FILES[3]),
        output:
            JOB.paths(f"{RESULTS}/theory/{{run}}.parquet"),
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        conda:
            ENVIRONMENT
        resources:
            **JOB.limits,
        params:
            *code("measure_theory.py", NETWORK),
            packages=TORCH,
            runs=JOB.settings,
            theory=STUDIES.theory.model_dump(mode="json"),
        script:
            "../scripts/measure_theory.py"
