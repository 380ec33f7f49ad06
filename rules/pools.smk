rule reconstruct_films:
    input:
        generator=tell(STUDY.base),
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        subsets="results/{dataset}/subsets.parquet",
    output:
        images="results/{dataset}/pools/{arm}/reconstructed/images.npy",
        masks="results/{dataset}/pools/{arm}/reconstructed/masks.npy",
        index="results/{dataset}/pools/{arm}/reconstructed/index.parquet",
        meta="results/{dataset}/pools/{arm}/reconstructed/cohort.json",
    log:
        "results/logs/reconstruct_films/{dataset}_{arm}.log",
    benchmark:
        "results/benchmarks/reconstruct_films/{dataset}_{arm}.tsv"
    priority: 70
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("reconstruct_films"),
        config=decoding_settings,
        cohort=subpath(input.index, parent=True),
        fraction=ask(STORES.largest_fraction),
        out=subpath(output.index, parent=True),
    message:
        "Send films of {wildcards.dataset} through the autoencoder"
    shell:
        "{params.launch} -m scripts.reconstruct_films --generator {input.generator:q} --cohort {params.cohort:q} "
        "--subsets {input.subsets:q} --fraction {params.fraction} --config {params.config:q} --threads {threads} "
        "--out {params.out:q} > {log:q} 2>&1"


rule import_pool:
    input:
        ask(STORES.tables),
        index=tell(STUDY.cohort_files, "index.parquet"),
        meta="results/{dataset}/cohort/cohort.json",
    output:
        images="results/{dataset}/pools/{arm}/imported/images.npy",
        masks="results/{dataset}/pools/{arm}/imported/masks.npy",
        index="results/{dataset}/pools/{arm}/imported/index.parquet",
        meta="results/{dataset}/pools/{arm}/imported/cohort.json",
        quarantine="results/{dataset}/pools/{arm}/imported/quarantine.tsv",
    log:
        "results/logs/import_pool/{dataset}_{arm}.log",
    benchmark:
        "results/benchmarks/import_pool/{dataset}_{arm}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(720),
    params:
        code=code("import_pool"),
        config=pool_settings,
        path=ask(STORES.path),
        cohort=subpath(input.meta, parent=True),
        cohorts=[f"results/{name}/cohort" for name in STUDY.stores],
        out=subpath(output.meta, parent=True),
    message:
        "Take in the images of arm {wildcards.arm} for {wildcards.dataset}"
    shell:
        "python -m scripts.import_pool --path {params.path:q} --cohort {params.cohort:q} --cohorts {params.cohorts:q} "
        "--arm {wildcards.arm} --config {params.config:q} --threads {threads} --out {params.out:q} > {log:q} 2>&1"
