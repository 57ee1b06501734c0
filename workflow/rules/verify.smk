rule verify:
    log:
        JOBS["verify"].log,
    # Recomputes every checksum of the results and names what is changed, missing or stale. It makes
    # no file and always runs anew.
    localrule: True
    conda:
        ENVIRONMENT
    params:
        config=config,
        snakefile=os.path.relpath(PROJECT / "workflow/Snakefile"),
        results=[RESULTS, *(results(also.config) for also in further)],
        stores=sorted(MADE),
    script:
        "../scripts/verify.py"
