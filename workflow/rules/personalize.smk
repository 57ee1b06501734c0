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
        at_every_round=experiment.evaluation.validation_at_every_round,
    script:
        "../scripts/personalize_validation.py"


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
    conda:
        ENVIRONMENT
    params:
        reptile=reptile_kinds(experiment),
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


if STAGE2:

    use rule personalize_validation as personalize_validation_stage2 with:
        input:
            lib=library("personalize_validation.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=per_variant(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
        output:
            per_variant(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
        log:
            f"{RESULTS}/logs/{stage2_job_name('personalize_validation_stage2')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{stage2_job_name('personalize_validation_stage2')}.jsonl"
        params:
            runs=runs_of_stage2_job,
            packages=packages("numpy", "torch"),
            personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
            at_every_round=experiment.evaluation.validation_at_every_round,

    use rule personalize_evaluation as personalize_evaluation_stage2 with:
        input:
            lib=library("personalize_evaluation.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=per_variant(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
            validation=per_variant(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
        output:
            per_variant(f"{RESULTS}/personalization/{{run_id}}.parquet"),
        log:
            f"{RESULTS}/logs/{stage2_job_name('personalize_evaluation_stage2')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{stage2_job_name('personalize_evaluation_stage2')}.jsonl"
        params:
            runs=runs_of_stage2_job,
            packages=packages("numpy", "torch"),
            personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
            personalized_rounds=None,
            intermediate_clients=experiment.evaluation.intermediate_clients,
            split_seed=experiment.split.seed,


rule personalized:
    # Every run, personalized on validation and evaluation clients.
    input:
        rules.select.output,
        expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS),
