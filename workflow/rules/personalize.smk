rule personalize_validation:
    output:
        per_run(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
    input:
        lib=library("personalize_validation.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
        checkpoints=per_run(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
    params:
        runs=runs_of_job,
        store=STORE,
        personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
    log:
        f"{RESULTS}/logs/{job_name('personalize_validation')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('personalize_validation')}.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/personalize_validation.py"


rule select:
    output:
        f"{RESULTS}/selection.json",
    input:
        lib=library("select.py"),
        validation=expand(f"{RESULTS}/personalization/validation/{{run_id}}.parquet", run_id=RUN_IDS),
    params:
        run_ids=RUN_IDS,
    log:
        f"{RESULTS}/logs/select.log",
    benchmark:
        f"{RESULTS}/benchmarks/select.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/select.py"


rule personalize_evaluation:
    # After selection, so that nothing can be chosen on evaluation clients; `ancient`, since its content changes nothing here.
    output:
        per_run(f"{RESULTS}/personalization/{{run_id}}.parquet"),
    input:
        lib=library("personalize_evaluation.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
        checkpoints=per_run(f"{RESULTS}/runs/{{run_id}}/checkpoints"),
        validation=per_run(f"{RESULTS}/personalization/validation/{{run_id}}.parquet"),
        selection=ancient(rules.select.output[0]),
    params:
        runs=runs_of_job,
        store=STORE,
        personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
        personalized_rounds=experiment.personalized_rounds,
        intermediate_clients=experiment.evaluation.intermediate_clients,
        split_seed=experiment.split.seed,
    log:
        f"{RESULTS}/logs/{job_name('personalize_evaluation')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('personalize_evaluation')}.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/personalize_evaluation.py"


rule personalized:
    # Every run, personalized on validation and evaluation clients.
    input:
        rules.select.output,
        expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=RUN_IDS),
