rule plan:
    log:
        JOBS["plan"].log,
    # Before hours are spent: what the config would cost. It makes no file of the experiment and
    # always runs anew.
    localrule: True
    conda:
        ENVIRONMENT
    params:
        config=config,
        snakefile=os.path.relpath(PROJECT / "workflow/Snakefile"),
        store=STORE,
        path=f"{RESULTS}/plan.md",
    script:
        "../scripts/plan.py"
