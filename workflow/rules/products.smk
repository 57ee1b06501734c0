# Tables, figures and the page. Each product is one file of `perfedavg.analysis`, and one rule:
# table_<name> or figure_<name>.

PRODUCTS = [product for product in all_products() if product.asked(experiment)]
REFERENCES, COMPARED = JOBS.references, JOBS["train_comparison"]

# By name of an input (`perfedavg.analysis.inputs`): its files. Studies not asked for have none.
FILES = {
    "runs": rules.runs_table.output,
    "caveat": rules.runs_table.output,
    "selection": rules.select.output,
    "server_rates": [RATES] if STUDIES.comparison else [],
    "evaluation": [file for job in SELECTED for file in job.all_paths(ALL_ROWS)],
    "grid_evaluation": JOBS["train_fedavg"].all_paths(ALL_ROWS),
    "grid_validation": JOBS["train_fedavg"].all_paths(ALL_ROWS),
    "registered": [file for job in FEDERATED for file in job.all_paths(RUN_FILES[3])],
    "comparison_evaluation": COMPARED.all_paths(ALL_ROWS),
    "comparison_rounds": COMPARED.all_paths(RUN_FILES[0]),
    "stage2_rounds": JOBS["train_stage2"].all_paths(RUN_FILES[0]),
    "ordinary_rows": REFERENCES.all_paths(ALL_ROWS),
    "strategy_rows": REFERENCES.all_paths(STRATEGY_ROWS),
    "theory_rows": REFERENCES.all_paths(f"{RESULTS}/theory/{{run}}.parquet") * bool(STUDIES.theory),
    "paper": [os.path.relpath(PROJECT / "config/paper_targets.csv")]
    * experiment.data.is_the_papers,
    "split": rules.split_clients.output,
    "store": rules.build_store.output,
    "other_data": results_of(STUDIES.other_data),
    "other_split": results_of(STUDIES.other_split),
}
# What settings of products are made from.
FACTS = {
    "config": experiment,
    "reference": REFERENCES.runs[0].setting,
    "ways": strategies(experiment),
    "claims": CLAIMS,
    "interpolated": interpolation(STUDIES.comparison) if STUDIES.comparison else [],
}
LOOK = {"style": experiment.figures.model_dump(mode="json")}
COMPARISON = {"algorithms", "interpolation", "theory"}

for product in PRODUCTS:
    first, *others = product.files(RESULTS)
    JOB = JOBS[f"{product.kind}_{product.name}"]

    rule:
        name:
            JOB.rule
        input:
            **{name: FILES[name] for name in product.inputs},
        output:
            report(
                first,
                caption="../report/caption.rst",
                category=product.module.SECTION,
                labels={product.kind: product.module.TITLE},
            ),
            others,
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **JOB.limits,
        params:
            *code("make_product.py", *product.source),
            kind=product.kind,
            name=product.name,
            settings=product.settings(FACTS) | (LOOK if product.kind == "figure" else {}),
            caption=product.module.CAPTION,
        script:
            "../scripts/make_product.py"


rule tables:
    # Every table, as CSV, Markdown and LaTeX.
    input:
        [file for product in PRODUCTS if product.kind == "table" for file in product.files(RESULTS)],
        of_others("tables"),


rule figures:
    # Every figure, as PNG, PDF and SVG with its data as CSV.
    input:
        [
            file
            for product in PRODUCTS
            if product.kind == "figure"
            for file in product.files(RESULTS)
        ],
        of_others("figures"),


rule algorithms:
    # The algorithm comparison and the theory experiment: their tables and figures.
    input:
        [file for p in PRODUCTS if p.name in COMPARISON for file in p.files(RESULTS)],
        of_others("algorithms"),


JOB = JOBS["provenance"]
FOUND = {NETWORK, DATA_SET, *(module for job in FEDERATED for module in job.found_modules)}
FOUND |= {module for product in PRODUCTS for module in product.source}
NO_RESULTS = ("plan.py", "verify.py")


rule provenance:
    input:
        runs=rules.runs_table.output[0],
        store=rules.build_store.output,
    # What ran, on what, from which sources: machine facts and times, which stay out of every
    # byte-for-byte comparison.
    output:
        f"{RESULTS}/provenance.json",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        # Its commit stands for all results.
        *sorted(
            {
                module
                for script in Path(SCRIPTS).glob("*.py")
                if script.name not in NO_RESULTS
                for module in source.code(script, *FOUND)
            }
        ),
        config=masked(
            experiment.model_dump(
                mode="json", exclude={"also": True, "execution": {"workers", "overwrite"}}
            )
        ),
        network=experiment.chosen_network,
    script:
        "../scripts/provenance.py"


JOB = JOBS["write_report"]


rule write_report:
    input:
        template=sorted(map(os.path.relpath, (source.PACKAGE / "analysis/page").iterdir())),
        products=[file for product in PRODUCTS for file in product.files(RESULTS)],
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
        provenance=rules.provenance.output[0],
    output:
        f"{RESULTS}/report.html",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        *code("write_report.py"),
        products=[product.on_page() for product in PRODUCTS],
    script:
        "../scripts/write_report.py"


JOB = JOBS["write_article"]


rule write_article:
    input:
        template=[
            os.path.relpath(source.PACKAGE / f"analysis/article.{form}") for form in ("typ", "bib")
        ],
        protocol=os.path.relpath(PROJECT / "config/paper_protocol.yaml"),
        targets=os.path.relpath(PROJECT / "config/paper_targets.csv"),
        products=rules.write_report.input.products,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
        provenance=rules.provenance.output[0],
    output:
        f"{RESULTS}/article.pdf",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        *code("write_article.py"),
        typst=packages("typst"),
        products=[product.on_page() for product in PRODUCTS],
        kind=experiment.data.kind,
        network=experiment.network,
    script:
        "../scripts/write_article.py"


rule article:
    # The same as a typeset PDF, in the manner of a reproducibility journal.
    input:
        rules.write_article.output,
        of_others("article"),


rule report:
    # One page with everything, and the figures it shows.
    input:
        rules.write_report.output,
        rules.figures.input,
        of_others("report"),
