JOB = JOBS["select"]


rule select:
    input:
        runs=[file for job in SELECTED for file in job.all_paths(RUN_FILES[2])],
        validation=[file for job in SELECTED for file in job.all_paths(VALIDATION_ROWS)],
    output:
        f"{RESULTS}/selection.json",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        *code("select.py"),
        reptile=reptile_kinds(experiment),
    script:
        "../scripts/select.py"


JOB = JOBS["runs_table"]


rule runs_table:
    input:
        runs=[file for job in EVERY_RUN for file in job.all_paths(RUN_FILES[2])],
        store=rules.build_store.output,
        split=rules.split_clients.output,
    output:
        f"{RESULTS}/runs.csv",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        *code("runs_table.py", DATA_SET),
        data=experiment.data.content,
        training_clients=experiment.split.num_training,
        rounds=experiment.training.rounds,
    script:
        "../scripts/runs_table.py"


if STUDIES.comparison:
    JOB = JOBS["choose_rates"]

    rule choose_rates:
        input:
            validation=JOBS["train_comparison"].all_paths(VALIDATION_ROWS),
            rounds=JOBS["train_comparison"].all_paths(RUN_FILES[0]),
        output:
            RATES,
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        priority: 50
        conda:
            ENVIRONMENT
        resources:
            **JOB.limits,
        params:
            *code("choose_rates.py"),
            runs=[
                run.model_dump(include={"run_id", "setting", "entry"})
                for run in JOBS["train_comparison"].runs
            ],
            compared_rounds=compared_rounds(STUDIES.comparison),
            rounds=STUDIES.comparison.rounds,
            budget=gradient_budget(STUDIES.comparison),
            hessian_vector_product=STUDIES.comparison.hessian_vector_product,
        script:
            "../scripts/choose_rates.py"
