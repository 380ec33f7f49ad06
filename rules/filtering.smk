rule train_proxy:
    input:
        collect("results/{dataset}/cohort/cohort.json", dataset=STUDY.foundation),
        collect("results/{dataset}/cohort/images.npy", dataset=STUDY.foundation),
        collect("results/{dataset}/cohort/index.parquet", dataset=STUDY.foundation),
    output:
        directory("results/proxy/model"),
    log:
        "results/logs/train_proxy/proxy.log",
    benchmark:
        "results/benchmarks/train_proxy/proxy.tsv"
    priority: 70
    conda:
        "../envs/main.yaml"
    threads: TRAINING_THREADS
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(1440),
    params:
        launch=launch,
        code=code("train_proxy"),
        config=stage("train_proxy"),
        cohorts=collect("results/{dataset}/cohort", dataset=STUDY.foundation),
        templates=foundation_templates,
        seed=STUDY.seed,
        resolution=STUDY.resolution,
        checkpoints="results/checkpoints/train_proxy",
    message:
        "Train the proxy model on films and reports"
    shell:
        "{params.launch} -m scripts.train_proxy --cohorts {params.cohorts:q} --templates {params.templates:q} --config {params.config:q} --seed {params.seed} --resolution {params.resolution} "
        "--threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule validate_proxy:
    input:
        model=tell(STUDY.proxy_folder),
        index=lambda wildcards: f"{one_line(SHOWN.validation_cohort)}/index.parquet",
        meta=f"results/{CONFIG['proxy']['validation']['dataset']}/cohort/cohort.json",
        images=f"results/{CONFIG['proxy']['validation']['dataset']}/cohort/images.npy",
    output:
        table="results/proxy/validation.csv",
        learned="results/proxy/learned_from.parquet",
    log:
        "results/logs/validate_proxy/proxy.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(120),
    params:
        launch=launch,
        code=code("validate_proxy"),
        config=stage("validate_proxy"),
        model=tell(STUDY.proxy),
        cohort=subpath(input.index, parent=True),
        split=CONFIG["proxy"]["validation"]["split"],
        note=optional(note=tell(SHOWN.validation_note)),
        seed=STUDY.seed,
    message:
        "Validate the proxy model on real films"
    shell:
        "{params.launch} -m scripts.validate_proxy --model {params.model:q} --cohort {params.cohort:q} "
        "--split {params.split} --config {params.config:q} --seed {params.seed} {params.note} --threads {threads} "
        "--out {output.table:q} --out-learned {output.learned:q} > {log:q} 2>&1"


rule score_pool:
    input:
        model=tell(STUDY.proxy_folder),
        images="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/images.npy",
        index="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/index.parquet",
        meta="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-{shard}/cohort.json",
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/scores-{shard}.parquet",
    log:
        "results/logs/score_pool/{dataset}_{arm}_{fraction}_{shard}.log",
    benchmark:
        "results/benchmarks/score_pool/{dataset}_{arm}_{fraction}_{shard}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("score_pool"),
        config=stage("score_pool"),
        model=tell(STUDY.proxy),
        pool=subpath(input.index, parent=True),
    message:
        "Score {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, shard {wildcards.shard}"
    shell:
        "{params.launch} -m scripts.score_pool --model {params.model:q} --pool {params.pool:q} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule filter_pool:
    input:
        scores=ask(STUDY.scores),
        validation="results/proxy/validation.csv",
        pool=ask(STUDY.shard_files),
    output:
        kept="results/{dataset}/pools/{arm}/fraction-{fraction}/kept.parquet",
        table="results/{dataset}/pools/{arm}/fraction-{fraction}/kept.csv",
    log:
        "results/logs/filter_pool/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("filter_pool"),
        config=stage("filter_pool"),
        pool=ask(STUDY.shards),
        seed=STUDY.seed,
    message:
        "Keep the best of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.filter_pool --scores {input.scores:q} --validation {input.validation:q} "
        "--pool {params.pool:q} --config {params.config:q} --seed {params.seed} --threads {threads} --out {output.kept:q} "
        "--table {output.table:q} > {log:q} 2>&1"


rule draw_kept:
    input:
        scores=ask(STUDY.scores),
        kept="results/{dataset}/pools/{arm}/fraction-{fraction}/kept.parquet",
        pool=ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/kept.png",
    log:
        "results/logs/draw_kept/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(10),
    params:
        name=POOL_NAME,
        code=code("draw_kept"),
        pool=ask(STUDY.shards),
    message:
        "Draw what was kept of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.draw_kept --scores {input.scores:q} --pool {params.pool:q} --kept {input.kept:q} "
        "--name {params.name:q} --out {output:q} > {log:q} 2>&1"


rule finetune_generator:
    input:
        generator="results/generators/controlnet",
        kept=tell(SHOWN.tuning_list),
        pool=tell(SHOWN.tuning_files),
        conditions=tell(SHOWN.tuning_conditions),
        index=tell(SHOWN.tuning_cohort, "index.parquet"),
        learned="results/proxy/learned_from.parquet",
    output:
        directory("results/generators/proxy-tuned"),
    log:
        "results/logs/finetune_generator/proxy-tuned.log",
    benchmark:
        "results/benchmarks/finetune_generator/proxy-tuned.tsv"
    priority: 85
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
        code=code("finetune_generator"),
        config=stage("finetune"),
        pool=tell(SHOWN.tuning_shards),
        cohort=subpath(input.index, parent=True),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/finetune_generator",
    message:
        "Fine-tune the generator on what the proxy model kept"
    shell:
        "{params.launch} -m scripts.finetune_generator --generator {input.generator:q} --pool {params.pool:q} "
        "--kept {input.kept:q} --learned {input.learned:q} --conditions {input.conditions:q} --cohort {params.cohort:q} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} "
        "--checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule describe_arm:
    input:
        validation="results/proxy/validation.csv",
        kept="results/{dataset}/pools/{arm}/fraction-{fraction}/kept.csv",
        pool="results/{dataset}/pools/{arm}/fraction-{fraction}/shard-0/cohort.json",
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/report.md",
    log:
        "results/logs/describe_arm/{dataset}_{arm}_{fraction}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("describe_arm"),
        config=lambda wildcards: as_text(SHOWN.roles(wildcards)),
        pool=subpath(input.pool, parent=True),
    message:
        "Describe {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.describe_arm --pool {params.pool:q} --validation {input.validation:q} --kept {input.kept:q} "
        "--config {params.config:q} --out {output:q} > {log:q} 2>&1"
