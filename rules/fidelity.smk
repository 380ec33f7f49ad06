from scripts.lib.study.fidelity import Fidelity

FIDELITY = Fidelity(STUDY)
NETWORKS = one_line(FIDELITY.network_names)


rule extract_features:
    input:
        tell(FIDELITY.models),
        ask(FIDELITY.shard_files),
    output:
        collect(
            "results/{dataset}/pools/{arm}/fraction-{fraction}/features/{network}-{shard}.npy",
            network=NETWORKS,
            allow_missing=True,
        ),
    log:
        "results/logs/extract_features/{dataset}_{arm}_{fraction}_{shard}.log",
    benchmark:
        "results/benchmarks/extract_features/{dataset}_{arm}_{fraction}_{shard}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("extract_features"),
        config=settings_of("fidelity", "batch_size", "device", "precision"),
        networks=one_line(FIDELITY.networks),
        proxy=STUDY.proxy(),
        store=ask(FIDELITY.shard),
        name="{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}",
    message:
        "Compute features of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, shard {wildcards.shard}"
    shell:
        "{params.launch} -m scripts.extract_features --store {params.store:q} --name {params.name} "
        "--networks {params.networks:q} --proxy {params.proxy:q} --config {params.config:q} --threads {threads} "
        "--out {output:q} > {log:q} 2>&1"


use rule extract_features as extract_film_features with:
    input:
        tell(FIDELITY.models),
        images="results/{dataset}/cohort/images.npy",
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
    output:
        collect("results/{dataset}/features/{network}.npy", network=NETWORKS, allow_missing=True),
    log:
        "results/logs/extract_features/{dataset}.log",
    benchmark:
        "results/benchmarks/extract_features/{dataset}.tsv"
    params:
        launch=launch,
        code=code("extract_features"),
        config=settings_of("fidelity", "batch_size", "device", "precision"),
        networks=one_line(FIDELITY.networks),
        proxy=STUDY.proxy(),
        store=subpath(input.index, parent=True),
        name="{dataset}/cohort",
    message:
        "Compute features of the films of {wildcards.dataset}"


rule measure_fidelity:
    input:
        splits=ask(FIDELITY.checked_index),
        pool=ask(STUDY.shard_files),
        kept=ask(STUDY.kept),
        images=ask(FIDELITY.pool_features),
        films=ask(FIDELITY.cohort_features),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/fidelity.csv",
    log:
        "results/logs/measure_fidelity/{dataset}_{arm}_{fraction}.log",
    benchmark:
        "results/benchmarks/measure_fidelity/{dataset}_{arm}_{fraction}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=lasting(120),
    params:
        code=code("measure_fidelity"),
        config=settings_of("fidelity", "images", "nearest"),
        pool=ask(STUDY.shards),
        networks=[one.name for one in one_line(FIDELITY.measured)],
        chosen=optional(kept=ask(STUDY.kept), barred=ask(FIDELITY.barred)),
        splits=ask(FIDELITY.reference),
    message:
        "Measure the fidelity of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.measure_fidelity --pool {params.pool:q} --cohort results/{wildcards.dataset}/cohort {params.chosen} "
        "--networks {params.networks} --pool-features {input.images:q} --cohort-features {input.films:q} "
        "--splits {params.splits} --dataset {wildcards.dataset} --arm {wildcards.arm} --fraction {wildcards.fraction} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule calibrate_memorisation:
    input:
        ask(FIDELITY.films),
        ask(FIDELITY.film_features),
        generator=ask(FIDELITY.folder),
    output:
        "results/generators/floors/{generator}.parquet",
    log:
        "results/logs/calibrate_memorisation/{generator}.log",
    benchmark:
        "results/benchmarks/calibrate_memorisation/{generator}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=lasting(240),
    params:
        code=code("calibrate_memorisation"),
        config=settings_of("memorisation", "candidates", "planted"),
        datasets=ask(FIDELITY.datasets),
        features=one_line(FIDELITY.search),
    message:
        "Hold films against those that taught {wildcards.generator}"
    shell:
        "python -m scripts.calibrate_memorisation --results results --generator {input.generator:q} --datasets {params.datasets} --features {params.features} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule match_films:
    input:
        generator=ask(STUDY.generator),
        films=ask(FIDELITY.cell_films),
        index="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/index.parquet",
        pixels="results/{dataset}/pools/{arm}/fraction-{fraction}/features/pixels-{shard}.npy",
        features=f"results/{{dataset}}/pools/{{arm}}/fraction-{{fraction}}/features/{one_line(FIDELITY.search)}-{{shard}}.npy",
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/nearest-{shard}.parquet",
    log:
        "results/logs/match_films/{dataset}_{arm}_{fraction}_{shard}.log",
    benchmark:
        "results/benchmarks/match_films/{dataset}_{arm}_{fraction}_{shard}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=lasting(240),
    params:
        code=code("match_films"),
        config=settings_of("memorisation", "candidates"),
        datasets=ask(FIDELITY.cell_datasets),
        features=one_line(FIDELITY.search),
        share=ask(FIDELITY.share),
        pool=subpath(input.index, parent=True),
    message:
        "Find the nearest training films of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, shard {wildcards.shard}"
    shell:
        "python -m scripts.match_films --pool {params.pool:q} --results results --generator {input.generator:q} --datasets {params.datasets} "
        "--features {params.features} --pool-pixels {input.pixels:q} --pool-features {input.features:q} "
        "--config {params.config:q} --share {params.share} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule measure_memorisation:
    input:
        nearest=ask(FIDELITY.nearest),
        floor=ask(FIDELITY.floor),
        generator=ask(STUDY.generator),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/memorisation.csv",
    log:
        "results/logs/measure_memorisation/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("measure_memorisation"),
        config=settings_of("memorisation", "alpha", "percentile"),
        datasets=ask(FIDELITY.cell_datasets),
        dropped=ask(FIDELITY.dropping),
    message:
        "Measure the memorisation of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.measure_memorisation --nearest {input.nearest:q} --floor {input.floor:q} --generator {input.generator:q} --datasets {params.datasets} "
        "{params.dropped} --dataset {wildcards.dataset} --arm {wildcards.arm} --fraction {wildcards.fraction} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule draw_nearest:
    input:
        nearest=ask(FIDELITY.nearest),
        floor=ask(FIDELITY.floor),
        pool=ask(STUDY.shard_files),
        films=ask(FIDELITY.cell_images),
        generator=ask(STUDY.generator),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/nearest.png",
    log:
        "results/logs/draw_nearest/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        name=POOL_NAME,
        code=code("draw_nearest"),
        config=settings_of("memorisation", "percentile"),
        pool=ask(STUDY.shards),
        datasets=ask(FIDELITY.cell_datasets),
    message:
        "Draw the nearest pairs of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.draw_nearest --pool {params.pool:q} --results results --nearest {input.nearest:q} "
        "--name {params.name:q} "
        "--floor {input.floor:q} --generator {input.generator:q} --datasets {params.datasets} --config {params.config:q} --threads {threads} "
        "--out {output:q} > {log:q} 2>&1"


rule drop_copies:
    input:
        nearest=ask(FIDELITY.nearest),
        floor=ask(FIDELITY.floor),
        pool=ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/distinct.parquet",
    log:
        "results/logs/drop_copies/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("drop_copies"),
        config=settings_of("memorisation", "percentile"),
        pool=ask(STUDY.shards),
    message:
        "Drop near-copies of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.drop_copies --pool {params.pool:q} --nearest {input.nearest:q} --floor {input.floor:q} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule refuse_copies:
    input:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/memorisation.csv",
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/cleared.txt",
    log:
        "results/logs/refuse_copies/{dataset}_{arm}_{fraction}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("refuse_copies"),
    message:
        "Check {wildcards.dataset} {wildcards.arm} at {wildcards.fraction} for copies"
    shell:
        "python -m scripts.refuse_copies --table {input:q} --out {output:q} > {log:q} 2>&1"


rule collect_fidelity:
    input:
        lambda wildcards: one_line(FIDELITY.tables, wildcards.measured),
    output:
        "results/tables/{measured}.csv",
    log:
        "results/logs/collect_fidelity/{measured}.log",
    wildcard_constraints:
        measured="fidelity|memorisation|faithfulness|shortcut",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_tables"),
    message:
        "Collect the {wildcards.measured} of all pools"
    shell:
        "python -m scripts.collect_tables --tables {input:q} --out {output:q} > {log:q} 2>&1"
