rule plan:
    log:
        JOBS["plan"].log,
    # Before hours are spent: what the config would cost. It makes no file of the experiment and
    # always runs anew.
    localrule: True
    conda:
        ENVIRONMENT
    params:
        configs=[config, *(also.raw for also in further)],
        snakefile=os.path.relpath(PROJECT / "workflow/Snakefile"),
    script:
        "../scripts/plan.py"
