if experiment.centralized:

    rule train_centralized:
        input:
            lib=library("train_centralized.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
        output:
            passes=f"{RESULTS}/runs/centralized-s{{seed}}/passes.parquet",
            checkpoints=directory(f"{RESULTS}/runs/centralized-s{{seed}}/checkpoints"),
        log:
            f"{RESULTS}/logs/train_centralized-s{{seed}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/train_centralized-s{{seed}}.jsonl"
        priority: 10
        conda:
            ENVIRONMENT
        resources:
            **needs("train_centralized"),
        params:
            model=experiment.model,
            settings=experiment.centralized.model_dump(mode="json"),
            packages=packages("numpy", "torch"),
        script:
            "../scripts/train_centralized.py"

    rule personalize_centralized:
        input:
            lib=library("personalize_centralized.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            passes=packed(f"{RESULTS}/runs/centralized-s{{seed}}/passes.parquet", "seed"),
            checkpoints=packed(f"{RESULTS}/runs/centralized-s{{seed}}/checkpoints", "seed"),
            reference=packed(
                f"{RESULTS}/personalization/validation/{REFERENCE}-s{{seed}}.parquet", "seed"
            ),
        # In the order of the runs: one way to stop after the other, each with every seed of the job.
        output:
            runs=each_stop(f"{RESULTS}/runs/centralized-{{stop}}-s{{seed}}/run.json"),
            validation=each_stop(
                f"{RESULTS}/personalization/validation/centralized-{{stop}}-s{{seed}}.parquet"
            ),
            all=each_stop(f"{RESULTS}/personalization/centralized-{{stop}}-s{{seed}}.parquet"),
        log:
            f"{RESULTS}/logs/{job_name('personalize_centralized', 'personalize_centralized-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('personalize_centralized', 'personalize_centralized-s{seed}')}.jsonl"
        conda:
            ENVIRONMENT
        threads: experiment.workers
        resources:
            **needs("personalize_centralized"),
        params:
            packages=packages("numpy", "torch"),
            runs=baselines("centralized"),
            last_round=experiment.federated.rounds,
            ways=PERSONALIZE_PARAMS["ways"],
            passes=experiment.centralized.passes,
        script:
            "../scripts/personalize_centralized.py"


if experiment.local_only:

    rule train_local_only:
        input:
            lib=library("personalize.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
        output:
            runs=packed(f"{RESULTS}/runs/local-only-s{{seed}}/run.json", "seed"),
            validation=packed(
                f"{RESULTS}/personalization/validation/local-only-s{{seed}}.parquet", "seed"
            ),
            all=packed(f"{RESULTS}/personalization/local-only-s{{seed}}.parquet", "seed"),
        log:
            f"{RESULTS}/logs/{job_name('train_local_only', 'train_local_only-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('train_local_only', 'train_local_only-s{seed}')}.jsonl"
        conda:
            ENVIRONMENT
        threads: experiment.workers
        resources:
            **needs("train_local_only"),
        params:
            runs=baselines("local_only"),
            packages=packages("numpy", "torch"),
            schedules=schedules(
                [run for run in BASELINES if run.algorithm == "local_only"], at_last_round
            ),
            ways=[
                experiment.local_only.as_fine_tuning().model_dump(
                    mode="json", exclude={"shown_epochs"}
                )
            ],
        script:
            "../scripts/personalize.py"
