if experiment.algorithms:

    use rule train_fedavg as train_algorithms with:
        output:
            files=[
                file
                for name in RUN_FILES
                for file in packed(f"{RESULTS}/runs/{ENTRY_ID}/{name}", "setting")
            ],
            checkpoints=[
                directory(folder)
                for folder in packed(f"{RESULTS}/runs/{ENTRY_ID}/checkpoints", "setting")
            ],
        log:
            f"{RESULTS}/logs/{job_name('train_algorithms-s{seed}', 'train_algorithms-{setting}-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('train_algorithms-s{seed}', 'train_algorithms-{setting}-s{seed}')}.jsonl"
        priority: 50  # the longest chain of jobs starts here
        resources:
            **needs("train_algorithms"),
        params:
            runs=settings_of(ENTRY_RUNS),
            packages=packages("numpy", "torch"),

    rule validate_algorithms:
        input:
            lib=library("validate_algorithms.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=packed(f"{RESULTS}/runs/{ENTRY_ID}/checkpoints", "setting", "seed"),
        output:
            packed(f"{RESULTS}/personalization/validation/{ENTRY_ID}.parquet", "setting", "seed"),
        log:
            f"{RESULTS}/logs/{job_name('validate_algorithms', 'validate_algorithms-{setting}-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('validate_algorithms', 'validate_algorithms-{setting}-s{seed}')}.jsonl"
        priority: 50
        conda:
            ENVIRONMENT
        threads: BACK_END_THREADS
        resources:
            **needs("validate_algorithms"),
        params:
            packages=PERSONALIZE_PARAMS["packages"],
            personalization=PERSONALIZE_PARAMS["personalization"],
            runs=settings_of(ENTRY_RUNS),
            compared_rounds=compared_rounds_of_job,
        script:
            "../scripts/validate_algorithms.py"

    rule choose_rates:
        input:
            lib=library("choose_rates.py"),
            validation=expand(
                f"{RESULTS}/personalization/validation/{{run_id}}.parquet", run_id=ENTRY_RUN_IDS
            ),
            rounds=expand(f"{RESULTS}/runs/{{run_id}}/rounds.parquet", run_id=ENTRY_RUN_IDS),
        output:
            f"{RESULTS}/algorithms.json",
        log:
            f"{RESULTS}/logs/choose_rates.log",
        benchmark:
            f"{RESULTS}/benchmarks/choose_rates.jsonl"
        priority: 50
        conda:
            ENVIRONMENT
        resources:
            **needs("choose_rates"),
        params:
            runs=[
                {name: getattr(run, name) for name in ("run_id", "setting", "entry")}
                for run in ENTRY_RUNS
            ],
            compared_rounds=COMPARED_ROUNDS,
            rounds=experiment.algorithms.rounds,
            budget=gradient_budget(experiment.algorithms),
            hessian_vector_product=experiment.algorithms.hessian_vector_product,
        script:
            "../scripts/choose_rates.py"

    rule evaluate_algorithms:
        input:
            lib=library("evaluate_algorithms.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            rates=rules.choose_rates.output,
            checkpoints=packed(f"{RESULTS}/runs/{ENTRY_ID}/checkpoints", "setting", "seed"),
            validation=packed(
                f"{RESULTS}/personalization/validation/{ENTRY_ID}.parquet", "setting", "seed"
            ),
        # Of runs whose server rate was not chosen, the rows of validation clients alone.
        output:
            packed(f"{RESULTS}/personalization/{ENTRY_ID}.parquet", "setting", "seed"),
        log:
            f"{RESULTS}/logs/{job_name('evaluate_algorithms', 'evaluate_algorithms-{setting}-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('evaluate_algorithms', 'evaluate_algorithms-{setting}-s{seed}')}.jsonl"
        priority: 50
        conda:
            ENVIRONMENT
        threads: BACK_END_THREADS
        resources:
            **needs("evaluate_algorithms"),
        params:
            packages=PERSONALIZE_PARAMS["packages"],
            personalization=PERSONALIZE_PARAMS["personalization"],
            intermediate_clients=PERSONALIZE_PARAMS["intermediate_clients"],
            split_seed=PERSONALIZE_PARAMS["split_seed"],
            runs=settings_of(ENTRY_RUNS),
            compared_rounds=compared_rounds_of_job,
        script:
            "../scripts/evaluate_algorithms.py"
