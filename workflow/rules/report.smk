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


rule write_report:
    output:
        f"{RESULTS}/report.html",
    input:
        lib=library("write_report.py"),
        template="src/perfedavg/analysis/report.html.j2",
        tables=[f"{RESULTS}/tables/table1.md", f"{RESULTS}/tables/data_card.md"],
        figures=[f"{RESULTS}/figures/rounds.svg", f"{RESULTS}/figures/data_card.png"],
        runs=rules.runs_table.output[0],
        selection=rules.select.output[0],
        provenance=rules.provenance.output[0],
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
