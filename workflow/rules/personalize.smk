rule personalize:
    input:
        lib=library("personalize.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
        checkpoints=per_run(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
    # Validation clients have a file of their own: nothing that chooses may read of evaluation clients.
    output:
        validation=per_run(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
        all=per_run(f"{RESULTS}/personalization/{{run_id}}.parquet"),
    log:
        f"{RESULTS}/logs/{job_name('personalize')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('personalize')}.jsonl"
    conda:
        ENVIRONMENT
    threads: experiment.workers
    resources:
        **needs("personalize"),
    params:
        **PERSONALIZE_PARAMS,
        runs=runs_of_job,
        personalized_rounds=experiment.personalized_rounds,
    script:
        "../scripts/personalize.py"


if STAGE2:

    use rule personalize as personalize_stage2 with:
        input:
            lib=library("personalize.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=per_variant(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
        output:
            validation=per_variant(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
            all=per_variant(f"{RESULTS}/personalization/{{run_id}}.parquet"),
        log:
            f"{RESULTS}/logs/{stage2_job_name('personalize_stage2')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{stage2_job_name('personalize_stage2')}.jsonl"
        resources:
            **needs("personalize_stage2"),
        params:
            **PERSONALIZE_PARAMS,
            runs=runs_of_stage2_job,
            personalized_rounds=None,


rule select:
    input:
        lib=library("select.py"),
        runs=expand(f"{RESULTS}/runs/{{run_id}}/run.json", run_id=RUN_IDS),
        validation=expand(f"{RESULTS}/personalization/validation/{{run_id}}.parquet", run_id=RUN_IDS),
    output:
        f"{RESULTS}/selection.json",
    log:
        f"{RESULTS}/logs/select.log",
    benchmark:
        f"{RESULTS}/benchmarks/select.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("select"),
    params:
        reptile=reptile_kinds(experiment),
    script:
        "../scripts/select.py"


rule personalized:
    # Every run, personalized on validation and evaluation clients.
    input:
        rules.select.output,
        expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS + ENTRY_RUN_IDS),
        STRATEGY_FILES["further"] if experiment.strategies else [],
