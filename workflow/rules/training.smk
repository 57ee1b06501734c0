RUN_FILES = [
    f"{RESULTS}/runs/{{run}}/{name}"
    for name in (
        "rounds.parquet",
        "timings.parquet",
        "run.json",
        "model.safetensors",
        "server.safetensors",
    )
]
CHECKPOINTS = f"{RESULTS}/runs/{{run}}/checkpoints"
FEDERATED = [JOBS[rule] for rule in ("train_fedavg", "train_stage2", "train_comparison")]

# The longest chains of jobs first, so that no core waits at the end: the comparison, then the grid,
# of single runs those with the most clients, then stage 2, behind which nothing trains.
PRIORITIES = {
    "train_fedavg": lambda wildcards: int(getattr(wildcards, "clients", 40)),
    "train_stage2": 30,
    "train_comparison": 50,
}

# Runs resume from `.resume/`, which is no output: outputs are wiped after a failure.
for JOB in FEDERATED:
    if not JOB.runs:
        continue

    rule:
        name:
            JOB.rule
        input:
            **CLIENTS,
            parent=JOB.parent_paths(*RUN_FILES[2:]),
        output:
            files=JOB.paths(*RUN_FILES),
            checkpoints=[directory(folder) for folder in JOB.paths(CHECKPOINTS)],
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        priority: PRIORITIES[JOB.rule]
        conda:
            ENVIRONMENT
        threads: JOB.threads
        resources:
            **JOB.limits,
        params:
            *code("train_federated.py", *JOB.found_modules),
            runs=JOB.settings,
            packages=TORCH,
        script:
            "../scripts/train_federated.py"


rule federated:
    # All federated runs, trained.
    input:
        [file for job in FEDERATED for file in job.all_paths(RUN_FILES[2])],
        of_others("federated"),
