VALIDATION_ROWS = f"{RESULTS}/personalization/validation/{{run}}.parquet"
ALL_ROWS = f"{RESULTS}/personalization/{{run}}.parquet"
STRATEGY_ROWS = f"{RESULTS}/personalization/strategies/{{run}}.parquet"
RATES = f"{RESULTS}/algorithms.json"
ORDINARY = experiment.evaluation.fine_tuning.model_dump(mode="json", exclude={"shown_epochs"})
FURTHER = [ORDINARY | way.model_dump(mode="json") for way in STUDIES.strategies]
ALONE = [STUDIES.local_only.as_fine_tuning().model_dump(mode="json")] if STUDIES.local_only else []

# By rule: what it reads of each run and what it writes, the ways to fine-tune, its priority.
# Validation clients have a file of their own: nothing that chooses may read of evaluation clients.
# Of comparison runs whose server rate was not chosen there are rows of validation clients alone.
# A folder has no checksum, so its time stamp is nothing: the model is the last of a run's files.
MODELS = {"checkpoints": CHECKPOINTS, "models": RUN_FILES[3]}
BOTH = {"validation": VALIDATION_ROWS, "all": ALL_ROWS}
PERSONALIZE = {
    "personalize": (MODELS, BOTH, [ORDINARY], 20),
    "personalize_stage2": (MODELS, BOTH, [ORDINARY], 20),
    "personalize_strategies": (MODELS, {"all": STRATEGY_ROWS}, FURTHER, 0),
    "validate_comparison": (
        MODELS,
        {"validation": VALIDATION_ROWS},
        [with_rate(ORDINARY, STUDIES.comparison)],
        50,
    ),
    "evaluate_comparison": (
        MODELS | {"validation": VALIDATION_ROWS},
        {"all": ALL_ROWS},
        [with_rate(ORDINARY, STUDIES.comparison)],
        50,
    ),
    "train_local_only": ({}, BOTH | {"runs": RUN_FILES[2]}, ALONE, 0),
}

# Those that evaluate a subset of the evaluation clients before the last round.
EVALUATE_ON_THE_WAY = ("personalize", "personalize_stage2", "evaluate_comparison")

for rule_name, (reads, writes, ways, priority) in PERSONALIZE.items():
    JOB = JOBS[rule_name]
    if not JOB.runs:
        continue
    subset = {
        "intermediate_clients": experiment.evaluation.intermediate_clients,
        "split_seed": experiment.split.seed,
    }
    if rule_name not in EVALUATE_ON_THE_WAY:
        subset = {}

    rule:
        name:
            JOB.rule
        input:
            **CLIENTS,
            **{
                name: ancient(JOB.paths(path)) if path == CHECKPOINTS else JOB.paths(path)
                for name, path in reads.items()
            },
            rates=[RATES] if JOB.rule == "evaluate_comparison" else [],
        output:
            **{name: JOB.paths(template) for name, template in writes.items()},
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        priority: priority
        conda:
            ENVIRONMENT
        threads: JOB.threads
        resources:
            **JOB.limits,
        params:
            *code("personalize.py", NETWORK),
            **subset,
            packages=TORCH,
            runs=JOB.settings,
            schedules=JOB.schedules,
            ways=ways,
        script:
            "../scripts/personalize.py"


# Runs that selection is about, and all runs.
SELECTED = [
    JOBS[rule]
    for rule in ("train_fedavg", "train_stage2", "personalize_centralized", "train_local_only")
]
EVERY_RUN = [*SELECTED, JOBS["train_comparison"]]


rule personalized:
    # Every run, personalized on validation and evaluation clients.
    input:
        f"{RESULTS}/selection.json",
        [file for job in EVERY_RUN for file in job.all_paths(ALL_ROWS)],
        JOBS["personalize_strategies"].all_paths(STRATEGY_ROWS),
        of_others("personalized"),
