rule provenance:
    # What ran, on what, from which sources: machine facts and times, which stay out of every byte-for-byte comparison.
    output:
        f"{RESULTS}/provenance.json",
    input:
        lib=library("provenance.py"),
        runs=rules.runs_table.output[0],
    params:
        config=experiment.model_dump(mode="json"),
        store=STORE,
    log:
        f"{RESULTS}/logs/provenance.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/provenance.py"


SHOWN = ["table1", "data_card", "rounds_figure"]
SHOWN_SCRIPTS = [f"{name}.py" for name in SHOWN]


rule write_report:
    # The page embeds tables and figures. They are `ancient`, and what they are made from is an input in their place: a figure
    # that was deleted comes back as one job, a figure that changes makes a new page.
    output:
        f"{RESULTS}/report.html",
    input:
        lib=library("write_report.py", *SHOWN_SCRIPTS),
        template="src/perfedavg/analysis/report.html.j2",
        tables=[ancient(f"{RESULTS}/tables/{name}.csv") for name in ["table1", "data_card"]],
        figures=[ancient(f"{RESULTS}/figures/{name}") for name in ["rounds.svg", "data_card.png"]],
        scripts=[script_file(script) for script in SHOWN_SCRIPTS],
        store=rules.build_store.output,
        evaluation=EVALUATED,
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
        provenance=rules.provenance.output[0],
    params:
        shown=[dict(getattr(rules, name).params.items()) for name in SHOWN],
    log:
        f"{RESULTS}/logs/write_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/write_report.py"


rule report:
    # One page with everything.
    input:
        rules.write_report.output,
        rules.provenance.output,
