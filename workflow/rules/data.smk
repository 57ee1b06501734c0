rule build_store:
    output:
        examples=f"{STORE}/examples.arrow",
        clients=f"{STORE}/clients.arrow",
    input:
        lib=library("build_store.py"),
    params:
        data=experiment.data.model_dump(mode="json"),
    log:
        f"{STORE}/build_store.log",
    benchmark:
        f"{STORE}/build_store.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/build_store.py"


rule split_clients:
    output:
        f"{RESULTS}/split.csv",
    input:
        lib=library("split_clients.py"),
        clients=f"{STORE}/clients.arrow",
        examples=f"{STORE}/examples.arrow",
    params:
        split=experiment.split.model_dump(mode="json"),
    log:
        f"{RESULTS}/logs/split_clients.log",
    benchmark:
        f"{RESULTS}/benchmarks/split_clients.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../scripts/split_clients.py"


rule data:
    # The client store and the client split.
    input:
        rules.build_store.output,
        rules.split_clients.output,
