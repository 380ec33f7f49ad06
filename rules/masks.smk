# System B: words to masks. The mask generator learns from the generator split of study.generator_dataset.
rule train_mask_model:
    input:
        base=tell(STUDY.base),
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        masks=f"results/{STUDY.generator_dataset}/cohort/masks.npy",
    output:
        directory("results/generators/masks"),
    log:
        "results/logs/train_mask_model/masks.log",
    benchmark:
        "results/benchmarks/train_mask_model/masks.tsv"
    priority: 90
    conda:
        "../envs/main.yaml"
    threads: TRAINING_THREADS
    resources:
        gpu=GPUS,
        cpus_per_task=cpus_of_several,
        mem_mb=growing(4000),
        runtime=lasting(2880),
    params:
        launch=launch_several,
        code=code("train_mask_model"),
        config=stage("train_mask_model"),
        cohort=subpath(input.index, parent=True),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_mask_model",
    message:
        "Train the mask generator: words to anatomy, then to findings"
    shell:
        "{params.launch} -m scripts.train_mask_model --base {input.base:q} --cohort {params.cohort:q} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} "
        "--out {output:q} > {log:q} 2>&1"


rule build_mask_conditions:
    input:
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        masks="results/{dataset}/cohort/masks.npy",
        subsets="results/{dataset}/subsets.parquet",
    output:
        "results/{dataset}/masks/{arm}/fraction-{fraction}/conditions.parquet",
    log:
        "results/logs/build_mask_conditions/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("build_mask_conditions"),
        config=mask_subsets,
        cohort=subpath(input.index, parent=True),
        most=ask(STUDY.candidates),
        seed=STUDY.seed,
        trials=STUDY.trials,
    message:
        "Build the table of masks of {wildcards.dataset} for {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.build_mask_conditions --cohort {params.cohort:q} --subsets {input.subsets:q} "
        "--config {params.config:q} --fraction {wildcards.fraction} --multiplier {params.most} --seed {params.seed} "
        "--trials {params.trials} --out {output:q} > {log:q} 2>&1"


rule sample_masks:
    input:
        generator="results/generators/masks",
        conditions="results/{dataset}/masks/{arm}/fraction-{fraction}/conditions.parquet",
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        masks="results/{dataset}/cohort/masks.npy",
        subsets="results/{dataset}/subsets.parquet",
    output:
        images="results/{dataset}/masks/{arm}/fraction-{fraction}/shard-{shard}/images.npy",
        masks="results/{dataset}/masks/{arm}/fraction-{fraction}/shard-{shard}/masks.npy",
        index="results/{dataset}/masks/{arm}/fraction-{fraction}/shard-{shard}/index.parquet",
        meta="results/{dataset}/masks/{arm}/fraction-{fraction}/shard-{shard}/cohort.json",
    log:
        "results/logs/sample_masks/{dataset}_{arm}_{fraction}_{shard}.log",
    benchmark:
        "results/benchmarks/sample_masks/{dataset}_{arm}_{fraction}_{shard}.tsv"
    priority: 85
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("sample_masks"),
        config=stage("sample_masks"),
        kind=ask(MASK_POOLS.kind),
        cohort=subpath(input.index, parent=True),
        out=subpath(output.index, parent=True),
        seed=STUDY.seed,
        shards=ask(STUDY.shard_count),
    message:
        "Make masks of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, shard {wildcards.shard}"
    shell:
        "{params.launch} -m scripts.sample_masks --generator {input.generator:q} --kind {params.kind} --conditions {input.conditions:q} "
        "--cohort {params.cohort:q} --subsets {input.subsets:q} --fraction {wildcards.fraction} --config {params.config:q} "
        "--seed {params.seed} --shard {wildcards.shard} --shards {params.shards} --threads {threads} --out {params.out:q} > {log:q} 2>&1"


rule measure_masks:
    input:
        pool=ask(MASK_POOLS.files),
        generator="results/generators/masks",
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        masks=f"results/{STUDY.generator_dataset}/cohort/masks.npy",
    output:
        table="results/{dataset}/masks/{arm}/fraction-{fraction}/masks.csv",
        picture="results/{dataset}/masks/{arm}/fraction-{fraction}/masks.png",
    log:
        "results/logs/measure_masks/{dataset}_{arm}_{fraction}.log",
    benchmark:
        "results/benchmarks/measure_masks/{dataset}_{arm}_{fraction}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("measure_masks"),
        config=stage("measure_masks"),
        pool=ask(MASK_POOLS.shards),
        cohort=subpath(input.index, parent=True),
        seed=STUDY.seed,
    message:
        "Hold the masks of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction} against real ones"
    shell:
        "python -m scripts.measure_masks --pool {params.pool:q} --cohort {params.cohort:q} --generator {input.generator:q} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --out {output.table:q} --picture {output.picture:q} > {log:q} 2>&1"


# An arm with masks of its own has the images of these masks to make; build_conditions transforms real ones.
ruleorder: link_masks > build_conditions


rule link_masks:
    input:
        pool=ask(MASK_POOLS.files),
    output:
        "results/{dataset}/conditions/{arm}/fraction-{fraction}.parquet",
    log:
        "results/logs/link_masks/{dataset}_{arm}_{fraction}.log",
    wildcard_constraints:
        arm="|".join(MASK_POOLS.arms) or "-",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("link_masks"),
        pool=ask(MASK_POOLS.shards),
        words=ask(STUDY.words),
    message:
        "Take the masks of {wildcards.arm} as conditions of {wildcards.dataset} at {wildcards.fraction}"
    shell:
        "python -m scripts.link_masks --pool {params.pool:q} {params.words} --out {output:q} > {log:q} 2>&1"
