if HAS_ARCHIVE:

    rule download:
        output:
            DOWNLOADED,
        log:
            f"{RESULTS}/logs/download.log",
        benchmark:
            f"{RESULTS}/benchmarks/download.jsonl"
        localrule: True
        conda:
            ENVIRONMENT
        params:
            sha256=experiment.data.sha256,
        script:
            "../scripts/download.py"


rule build_store:
    input:
        archive=DOWNLOADED if HAS_ARCHIVE else [],
        lib=library("build_store.py"),
    output:
        examples=f"{STORE}/examples.arrow",
        clients=f"{STORE}/clients.arrow",
    log:
        f"{RESULTS}/logs/build_store.log",
    benchmark:
        f"{RESULTS}/benchmarks/build_store.jsonl"
    group:
        "data"
    conda:
        ENVIRONMENT
    resources:
        **needs("build_store"),
    params:
        data=experiment.data.content,
        packages=packages(*experiment.data.packages),
    script:
        "../scripts/build_store.py"


rule split_clients:
    input:
        lib=library("split_clients.py"),
        clients=f"{STORE}/clients.arrow",
        examples=f"{STORE}/examples.arrow",
    output:
        f"{RESULTS}/split.csv",
    log:
        f"{RESULTS}/logs/split_clients.log",
    benchmark:
        f"{RESULTS}/benchmarks/split_clients.jsonl"
    group:
        "data"
    conda:
        ENVIRONMENT
    resources:
        **needs("split_clients"),
    params:
        split=experiment.split.model_dump(mode="json"),
    script:
        "../scripts/split_clients.py"


rule data:
    # The client store and the client split.
    input:
        rules.build_store.output,
        rules.split_clients.output,
