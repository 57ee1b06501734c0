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
            lib=library("personalize.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            checkpoints=packed(f"{RESULTS}/runs/{ENTRY_ID}/checkpoints", "setting", "seed"),
        output:
            validation=packed(
                f"{RESULTS}/personalization/validation/{ENTRY_ID}.parquet", "setting", "seed"
            ),
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
            ways=PERSONALIZE_PARAMS["ways"],
            runs=settings_of(ENTRY_RUNS),
            schedules=schedules(
                ENTRY_RUNS,
                lambda run: {
                    "compared_rounds": COMPARED_ROUNDS[run["setting"]],
                    "groups": ["validation"],
                },
            ),
        script:
            "../scripts/personalize.py"

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
            entries=settings_of_entries(experiment.algorithms),
            compared_rounds=COMPARED_ROUNDS,
            seeds=list(experiment.seeds),
            rounds=experiment.algorithms.rounds,
            budget=gradient_budget(experiment.algorithms),
            hessian_vector_product=experiment.algorithms.hessian_vector_product,
        script:
            "../scripts/choose_rates.py"

    rule evaluate_algorithms:
        input:
            lib=library("personalize.py"),
            store=rules.build_store.output,
            split=rules.split_clients.output,
            rates=rules.choose_rates.output,
            checkpoints=packed(f"{RESULTS}/runs/{ENTRY_ID}/checkpoints", "setting", "seed"),
            validation=packed(
                f"{RESULTS}/personalization/validation/{ENTRY_ID}.parquet", "setting", "seed"
            ),
        # Of runs whose server rate was not chosen, the rows of validation clients alone.
        output:
            all=packed(f"{RESULTS}/personalization/{ENTRY_ID}.parquet", "setting", "seed"),
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
            **PERSONALIZE_PARAMS,
            runs=settings_of(ENTRY_RUNS),
            schedules=schedules(
                ENTRY_RUNS,
                lambda run: {
                    "compared_rounds": COMPARED_ROUNDS[run["setting"]],
                    "evaluated_rounds": run["evaluated_rounds"],
                    "groups": ["evaluation"],
                },
            ),
        script:
            "../scripts/personalize.py"

    rule algorithms_table:
        input:
            lib=library("algorithms_table.py"),
            rates=rules.choose_rates.output,
            runs=rules.runs_table.output[0],
            rounds=rules.choose_rates.input.rounds,
            evaluation=expand(f"{RESULTS}/personalization/{{run_id}}.parquet", run_id=ENTRY_RUN_IDS),
        output:
            csv=report(
                f"{RESULTS}/tables/algorithms.csv",
                caption="../report/algorithms_table.rst",
                category="Results",
                labels={"table": "all algorithms"},
            ),
            other=multiext(f"{RESULTS}/tables/algorithms", ".md", ".tex"),
        log:
            f"{RESULTS}/logs/algorithms_table.log",
        benchmark:
            f"{RESULTS}/benchmarks/algorithms_table.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("algorithms_table"),
        params:
            rates=list(experiment.algorithms.server_lr_factors),
            target=experiment.target_accuracy,
            target_rounds=every(experiment.algorithms.every, experiment.algorithms.rounds),
            hessian_vector_product=experiment.algorithms.hessian_vector_product,
        script:
            "../scripts/algorithms_table.py"

    rule algorithms_figures:
        input:
            lib=library("algorithms_figures.py"),
            rates=rules.choose_rates.output,
            runs=rules.runs_table.output[0],
            rounds=rules.choose_rates.input.rounds,
            evaluation=rules.algorithms_table.input.evaluation,
        output:
            png=report(
                f"{RESULTS}/figures/algorithms.png",
                caption="../report/algorithms.rst",
                category="Results",
                labels={"figure": "all algorithms"},
            ),
            other=multiext(f"{RESULTS}/figures/algorithms", ".pdf", ".svg", ".csv"),
            interpolation=(
                [
                    report(
                        f"{RESULTS}/figures/interpolation.png",
                        caption="../report/interpolation.rst",
                        category="Results",
                        labels={"figure": "between FedSGD and FedAvg"},
                    ),
                    *multiext(f"{RESULTS}/figures/interpolation", ".pdf", ".svg", ".csv"),
                ]
                if experiment.algorithms.interpolation
                else []
            ),
        log:
            f"{RESULTS}/logs/algorithms_figures.log",
        benchmark:
            f"{RESULTS}/benchmarks/algorithms_figures.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs("algorithms_figures"),
        params:
            entries=list(experiment.algorithms.entries),
            interpolation=interpolation(experiment.algorithms),
            steps=experiment.algorithms.local_steps,
            hessian_vector_product=experiment.algorithms.hessian_vector_product,
        script:
            "../scripts/algorithms_figures.py"


rule algorithms:
    # The algorithm comparison and the theory experiment: their tables and figures.
    input:
        expand(
            f"{RESULTS}/tables/{{name}}.csv",
            name=[name for name in TABLES if name in ("algorithms", "theory")],
        ),
        expand(
            f"{RESULTS}/figures/{{name}}.png",
            name=[name for name in FIGURES if name in ("algorithms", "interpolation", "theory")],
        ),
