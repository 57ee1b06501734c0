rule personalize_validation:
    input:
        lib=library("personalize_validation.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
        checkpoints=per_run(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
    output:
        per_run(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
    log:
        f"{RESULTS}/logs/{job_name('personalize_validation')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('personalize_validation')}.jsonl"
    conda:
        ENVIRONMENT
    params:
        runs=runs_of_job,
        packages=packages("numpy", "torch"),
        personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
    script:
        "../scripts/personalize_validation.py"


rule select:
    input:
        lib=library("select.py"),
        validation=expand(f"{RESULTS}/personalization/validation/{{run_id}}.parquet", run_id=RUN_IDS),
    output:
        f"{RESULTS}/selection.json",
    log:
        f"{RESULTS}/logs/select.log",
    benchmark:
        f"{RESULTS}/benchmarks/select.jsonl"
    conda:
        ENVIRONMENT
    params:
        run_ids=RUN_IDS,
    script:
        "../scripts/select.py"


rule personalize_evaluation:
    input:
        lib=library("personalize_evaluation.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
        checkpoints=per_run(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
        validation=per_run(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
    # Nothing upstream of a choice may read this: `select` sees the files of validation clients only.
    output:
        per_run(f"{RESULTS}/personalization/{{run_id}}.parquet"),
    log:
        f"{RESULTS}/logs/{job_name('personalize_evaluation')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('personalize_evaluation')}.jsonl"
    conda:
        ENVIRONMENT
    params:
        runs=runs_of_job,
        packages=packages("numpy", "torch"),
        personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
        personalized_rounds=experiment.personalized_rounds,
        intermediate_clients=experiment.evaluation.intermediate_clients,
        split_seed=experiment.split.seed,
    script:
        "../scripts/personalize_evaluation.py"


rule personalized:
    # Every run, personalized on validation and evaluation clients.
    input:
        rules.select.output,
        expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS),
