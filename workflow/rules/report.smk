rule provenance:
    input:
        lib=library_of_all(),  # its commit stands for all results
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
        tables=[f"{RESULTS}/tables/{name}.md" for name in TABLES],
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
    script:
        "../scripts/write_report.py"


rule report:
    # One page with everything, and the figures it shows.
    input:
        rules.write_report.output,
        rules.figures.input,
