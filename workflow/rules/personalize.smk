rule personalize:
    input:
        lib=library("personalize.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
        checkpoints=packed(f"{RESULTS}/runs/{STAGE1_ID}/checkpoints", "work", "seed"),
    # Validation clients have a file of their own: nothing that chooses may read of evaluation clients.
    output:
        validation=packed(
            f"{RESULTS}/personalization/validation/{STAGE1_ID}.parquet", "work", "seed"
        ),
        all=packed(f"{RESULTS}/personalization/{STAGE1_ID}.parquet", "work", "seed"),
    log:
        f"{RESULTS}/logs/{job_name('personalize-m{clients}', 'personalize-m{clients}-{work}-s{seed}')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('personalize-m{clients}', 'personalize-m{clients}-{work}-s{seed}')}.jsonl"
    priority: 20
    conda:
        ENVIRONMENT
    threads: BACK_END_THREADS
    resources:
        **needs("personalize"),
    params:
        **PERSONALIZE_PARAMS,
        runs=settings_of(STAGE1),
        schedules=schedules(STAGE1, at_evaluated_rounds(experiment.personalized_rounds)),
    script:
        "../scripts/personalize.py"


if STAGE2:

    use rule personalize as personalize_stage2 with:
        input:
            lib=library("personalize.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=packed(f"{RESULTS}/runs/{STAGE2_ID}/checkpoints", "variant", "seed"),
        output:
            validation=packed(
                f"{RESULTS}/personalization/validation/{STAGE2_ID}.parquet", "variant", "seed"
            ),
            all=packed(f"{RESULTS}/personalization/{STAGE2_ID}.parquet", "variant", "seed"),
        log:
            f"{RESULTS}/logs/{job_name('personalize_stage2', 'personalize_stage2-{variant}-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('personalize_stage2', 'personalize_stage2-{variant}-s{seed}')}.jsonl"
        resources:
            **needs("personalize_stage2"),
        params:
            **PERSONALIZE_PARAMS,
            runs=settings_of(STAGE2),
            schedules=schedules(STAGE2, at_evaluated_rounds()),


rule select:
    input:
        lib=library("select.py"),
        runs=expand(f"{RESULTS}/runs/{{run_id}}/run.json", run_id=RUN_IDS),
        validation=expand(
            f"{RESULTS}/personalization/validation/{{run_id}}.parquet", run_id=RUN_IDS
        ),
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
