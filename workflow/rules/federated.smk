RUN_FILES = [
    "rounds.parquet",
    "timings.parquet",
    "run.json",
    "model.safetensors",
    "server.safetensors",
]


rule train_fedavg:
    input:
        lib=library("train_fedavg.py"),
        store=rules.build_store.output,
        split=rules.split_clients.output,
    # Stage 1. Interrupted runs go on from their state in `.resume/`, which is no output: outputs are wiped after a failure.
    output:
        files=[
            file
            for name in RUN_FILES
            for file in packed(f"{RESULTS}/runs/{STAGE1_ID}/{name}", "clients", "work")
        ],
        checkpoints=[
            directory(folder)
            for folder in packed(f"{RESULTS}/runs/{STAGE1_ID}/checkpoints", "clients", "work")
        ],
    log:
        f"{RESULTS}/logs/{job_name('train_fedavg-s{seed}', 'train_fedavg-m{clients}-{work}-s{seed}')}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{job_name('train_fedavg-s{seed}', 'train_fedavg-m{clients}-{work}-s{seed}')}.jsonl"
    # The longest jobs first, so that no core waits for one at the end: packed ones behind the comparison, before stage 2.
    priority: lambda wildcards: int(getattr(wildcards, "clients", 40))
    conda:
        ENVIRONMENT
    threads: BACK_END_THREADS
    resources:
        **needs("train_fedavg"),
    params:
        runs=settings_of(STAGE1),
        packages=packages("numpy", "torch"),
    script:
        "../scripts/train_fedavg.py"


if STAGE2:

    use rule train_fedavg as train_stage2 with:
        input:
            lib=library("train_fedavg.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            parent=expand(
                f"{RESULTS}/runs/{REFERENCE}-s{{seed}}/{{file}}",
                file=["model.safetensors", "server.safetensors", "run.json"],
                allow_missing=True,
            ),
        output:
            files=[
                file
                for name in RUN_FILES
                for file in packed(f"{RESULTS}/runs/{STAGE2_ID}/{name}", "variant")
            ],
            checkpoints=[
                directory(folder)
                for folder in packed(f"{RESULTS}/runs/{STAGE2_ID}/checkpoints", "variant")
            ],
        log:
            f"{RESULTS}/logs/{job_name('train_stage2-s{seed}', 'train_stage2-{variant}-s{seed}')}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{job_name('train_stage2-s{seed}', 'train_stage2-{variant}-s{seed}')}.jsonl"
        priority: 30  # nothing trains longer after its parent
        resources:
            **needs("train_stage2"),
        params:
            runs=settings_of(STAGE2),
            packages=packages("numpy", "torch"),


rule runs_table:
    input:
        lib=library("runs_table.py"),
        runs=expand(f"{RESULTS}/runs/{{run_id}}/run.json", run_id=RUN_IDS + ENTRY_RUN_IDS),
        store=rules.build_store.output,
    output:
        f"{RESULTS}/runs.csv",
    log:
        f"{RESULTS}/logs/runs_table.log",
    benchmark:
        f"{RESULTS}/benchmarks/runs_table.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("runs_table"),
    params:
        data=experiment.data.content,
        training_clients=experiment.split.training_clients,
        rounds=experiment.federated.rounds,
    script:
        "../scripts/runs_table.py"


rule federated:
    # All federated runs, trained.
    input:
        expand(
            f"{RESULTS}/runs/{{run_id}}/run.json",
            run_id=[run.run_id for run in [*STAGE1, *STAGE2, *ENTRY_RUNS]],
        ),
