# What pictures of a pool are called.
POOL_NAME = "{dataset}, arm {arm}, fraction {fraction}"


rule sample_pool:
    input:
        generator=ask(STUDY.generator),
        conditions="results/{dataset}/conditions/{arm}/fraction-{fraction}.parquet",
        sources=ask(MASK_POOLS.source_files),
    output:
        images="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/images.npy",
        masks="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/masks.npy",
        index="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/index.parquet",
        meta="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/cohort.json",
    log:
        "results/logs/sample_pool/{dataset}_{arm}_{fraction}_{shard}.log",
    benchmark:
        "results/benchmarks/sample_pool/{dataset}_{arm}_{fraction}_{shard}.tsv"
    priority: 80
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("sample_pool"),
        config=stage("sampling"),
        cohort=ask(MASK_POOLS.sources),
        out=subpath(output.index, parent=True),
        seed=STUDY.seed,
        shards=ask(STUDY.shard_count),
    message:
        "Sample {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, shard {wildcards.shard}"
    shell:
        "{params.launch} -m scripts.sample_pool --generator {input.generator:q} --conditions {input.conditions:q} "
        "--cohort {params.cohort:q} --config {params.config:q} --seed {params.seed} --shard {wildcards.shard} "
        "--shards {params.shards} --threads {threads} --out {params.out:q} > {log:q} 2>&1"


rule draw_sheet:
    input:
        ask(STUDY.images),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/sheet.png",
    log:
        "results/logs/draw_sheet/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(10),
    params:
        name=POOL_NAME,
        code=code("draw_sheet"),
        pool=ask(STUDY.shards),
    message:
        "Draw a sheet of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.draw_sheet --pool {params.pool:q} " "--name {params.name:q} --out {output:q} > {log:q} 2>&1"
