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

    rule stop_centralized:
        input:
            lib=library("stop_centralized.py"),
            passes=f"{RESULTS}/runs/centralized-s{{seed}}/passes.parquet",
            reference=f"{RESULTS}/personalization/validation/{REFERENCE}-s{{seed}}.parquet",
        output:
            expand(f"{RESULTS}/runs/centralized-{{stop}}-s{{seed}}/run.json", stop=STOPS, allow_missing=True),
        log:
            f"{RESULTS}/logs/stop_centralized-s{{seed}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/stop_centralized-s{{seed}}.jsonl"
        group:
            "centralized"
        conda:
            ENVIRONMENT
        resources:
            **needs("stop_centralized"),
        params:
            runs=lambda wildcards: baselines_of_seed("centralized", wildcards),
            last_round=experiment.federated.rounds,
        script:
            "../scripts/stop_centralized.py"

    rule personalize_centralized:
        input:
            lib=library("personalize_centralized.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=f"{RESULTS}/runs/centralized-s{{seed}}/checkpoints",
            runs=expand(f"{RESULTS}/runs/centralized-{{stop}}-s{{seed}}/run.json", stop=STOPS, allow_missing=True),
        output:
            validation=expand(
                f"{RESULTS}/personalization/validation/centralized-{{stop}}-s{{seed}}.parquet", stop=STOPS, allow_missing=True
            ),
            all=expand(f"{RESULTS}/personalization/centralized-{{stop}}-s{{seed}}.parquet", stop=STOPS, allow_missing=True),
        log:
            f"{RESULTS}/logs/personalize_centralized-s{{seed}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/personalize_centralized-s{{seed}}.jsonl"
        group:
            "centralized"
        conda:
            ENVIRONMENT
        threads: experiment.workers
        resources:
            **needs("personalize_centralized"),
        params:
            packages=packages("numpy", "torch"),
            personalization=experiment.personalization.model_dump(mode="json", exclude={"shown_epochs"}),
            passes=experiment.centralized.passes,
        script:
            "../scripts/personalize_centralized.py"


if experiment.local_only:

    rule train_local_only:
        input:
            lib=library("train_local_only.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
        output:
            run=f"{RESULTS}/runs/local-only-s{{seed}}/run.json",
            validation=f"{RESULTS}/personalization/validation/local-only-s{{seed}}.parquet",
            all=f"{RESULTS}/personalization/local-only-s{{seed}}.parquet",
        log:
            f"{RESULTS}/logs/train_local_only-s{{seed}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/train_local_only-s{{seed}}.jsonl"
        conda:
            ENVIRONMENT
        threads: experiment.workers
        resources:
            **needs("train_local_only"),
        params:
            runs=lambda wildcards: baselines_of_seed("local_only", wildcards),
            packages=packages("numpy", "torch"),
            personalization=experiment.local_only.as_fine_tuning().model_dump(mode="json", exclude={"shown_epochs"}),
        script:
            "../scripts/train_local_only.py"
