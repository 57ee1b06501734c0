# Tables, figures and the page. Each product is one file of `perfedavg.analysis`, and one rule: table_<name> or figure_<name>.

from perfedavg.analysis.products import all_products

PRODUCTS = [product for product in all_products() if product.asked(experiment)]
ALL_EVALUATED = f"{RESULTS}/personalization/{{run_id}}.parquet"

# By name of an input (`perfedavg.analysis.inputs`): its files. Blocks that the config lacks have none.
FILES = {
    "runs": rules.runs_table.output,
    "caveat": rules.runs_table.output,
    "selection": rules.select.output,
    "server_rates": [f"{RESULTS}/algorithms.json"],
    "evaluation": expand(ALL_EVALUATED, run_id=RUN_IDS),
    "grid_evaluation": expand(ALL_EVALUATED, run_id=[run.run_id for run in STAGE1]),
    "comparison_evaluation": expand(ALL_EVALUATED, run_id=ENTRY_RUN_IDS),
    "comparison_rounds": expand(f"{RESULTS}/runs/{{run_id}}/rounds.parquet", run_id=ENTRY_RUN_IDS),
    "ordinary_rows": expand(ALL_EVALUATED, run_id=[run.run_id for run in REFERENCES]),
    "strategy_rows": expand(
        f"{RESULTS}/personalization/strategies/{{run_id}}.parquet",
        run_id=[run.run_id for run in REFERENCES],
    ),
    "theory_rows": expand(
        f"{RESULTS}/theory/{{run_id}}.parquet", run_id=[run.run_id for run in REFERENCES]
    ),
    "paper": [PAPER_TARGETS] if experiment.data.dataset == PAPER_DATASET else [],
    "split": rules.split_clients.output,
    "store": rules.build_store.output,
}
# What settings of products are made from.
FACTS = {
    "config": experiment,
    "reference": REFERENCE,
    "ways": WAYS,
    "weights_in_between": interpolation(experiment.algorithms) if experiment.algorithms else [],
}
FORMS = {"table": ["csv", "md", "tex"], "figure": ["png", "pdf", "svg", "csv"]}


def product_files(kind, names=None, forms=None):
    """The files of all products of a kind, or of some."""
    return [
        f"{RESULTS}/{kind}s/{product.name}.{form}"
        for product in PRODUCTS
        if product.kind == kind and (names is None or product.name in names)
        for form in forms or FORMS[kind]
    ]


def product_library(product):
    """The source files that a product depends on: those of the script, its own, and those that it imports."""
    modules = [Path(sys.modules[name].__file__) for name in product.source]
    files = {*modules, *(file for module in modules for file in source_closure(module))}
    return sorted({*library("make_product.py"), *(os.path.relpath(file) for file in files)})


for product in PRODUCTS:
    first, *others = product_files(product.kind, [product.name])

    rule:
        name:
            f"{product.kind}_{product.name}"
        input:
            **{name: FILES[name] for name in product.inputs},
            lib=product_library(product),
        output:
            report(
                first,
                caption="../report/caption.rst",
                category=product.module.SECTION,
                labels={product.kind: product.module.TITLE},
            ),
            others,
        log:
            f"{RESULTS}/logs/{product.kind}_{product.name}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{product.kind}_{product.name}.jsonl"
        group:
            "tables"
        conda:
            ENVIRONMENT
        resources:
            **needs(f"{product.kind}_{product.name}"),
        params:
            kind=product.kind,
            name=product.name,
            settings=product.settings(FACTS),
            caption=product.module.CAPTION,
        script:
            "../scripts/make_product.py"


rule tables:
    # Every table, as CSV, Markdown and LaTeX.
    input:
        product_files("table"),


rule figures:
    # Every figure, as PNG, PDF and SVG with its data as CSV.
    input:
        product_files("figure"),


rule algorithms:
    # The algorithm comparison and the theory experiment: their tables and figures.
    input:
        product_files("table", ["algorithms", "theory"]),
        product_files("figure", ["algorithms", "interpolation", "theory"]),


rule provenance:
    input:
        # Its commit stands for all results.
        lib=sorted({*library_of_all(), *(file for p in PRODUCTS for file in product_library(p))}),
        runs=rules.runs_table.output[0],
        store=rules.build_store.output,
    # What ran, on what, from which sources: machine facts and times, which stay out of every byte-for-byte comparison.
    output:
        f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("provenance"),
    params:
        config=experiment.model_dump(mode="json", exclude={"workers"}),  # nothing depends on it
    script:
        "../scripts/provenance.py"


rule write_report:
    # The page links to the figures beside it, so they are no inputs: one that was deleted is one job.
    input:
        lib=library("write_report.py"),
        template=os.path.relpath(PACKAGE / "analysis/report.html.j2"),
        tables=product_files("table", forms=["md"]),
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
        provenance=rules.provenance.output[0],
    output:
        f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/write_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report.jsonl"
    group:
        "tables"
    conda:
        ENVIRONMENT
    resources:
        **needs("write_report"),
    params:
        products=[product.on_page() for product in PRODUCTS],
    script:
        "../scripts/write_report.py"


rule report:
    # One page with everything, and the figures it shows.
    input:
        rules.write_report.output,
        rules.figures.input,
