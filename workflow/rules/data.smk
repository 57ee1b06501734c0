HAS_ARCHIVE = hasattr(experiment.data, "archive")
DOWNLOADED = f"results/data/downloads/{experiment.data.store_name}.tar.bz2"

if HAS_ARCHIVE:
    JOB = JOBS["download"]

    rule download:
        output:
            DOWNLOADED,
        log:
            JOB.log,
        benchmark:
            JOB.benchmark
        localrule: True
        conda:
            ENVIRONMENT
        params:
            sha256=experiment.data.expected_sha256,
        script:
            "../scripts/download.py"


JOB = JOBS["build_store"]


rule build_store:
    input:
        # The content of the user's own files is a parameter; their time decides nothing.
        archive=DOWNLOADED if HAS_ARCHIVE else ancient(experiment.data.files),
    output:
        examples=f"{STORE}/examples.arrow",
        clients=f"{STORE}/clients.arrow",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "data"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        *code("build_store.py", DATA_SET),
        data=experiment.data.content,
        packages=packages(*experiment.data.packages),
    script:
        "../scripts/build_store.py"


JOB = JOBS["split_clients"]


rule split_clients:
    input:
        store=rules.build_store.output,
        # Its content is a parameter; its time decides nothing.
        file=ancient(experiment.split.file) if experiment.split.file else [],
    output:
        f"{RESULTS}/split.csv",
    log:
        JOB.log,
    benchmark:
        JOB.benchmark
    group:
        "data"
    conda:
        ENVIRONMENT
    resources:
        **JOB.limits,
    params:
        *code("split_clients.py"),
        split=experiment.split.content,
    script:
        "../scripts/split_clients.py"


# What training and personalization read of the data.
CLIENTS = {"store": rules.build_store.output, "split": rules.split_clients.output}


rule data:
    # The client store and the client split.
    input:
        of_others("data"),
        **CLIENTS,
