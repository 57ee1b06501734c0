if STUDIES.centralized:
    JOB = JOBS["train_centralized"]

    rule train_centralized:
        input:
            **CLIENTS,
        output:
            passes=JOB.paths(f"{RESULTS}/runs/{{run}}/passes.parquet"),
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
            model=experiment.model,
            settings=STUDIES.centralized.model_dump(mode="json"),
            packages=TORCH,
        script:
            "../scripts/train_centralized.py"


if STUDIES.theory:
    JOB = JOBS["measure_theory"]

    rule measure_theory:
        input:
            **CLIENTS,
            checkpoints=JOB.paths(CHECKPOINTS),
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
