rule train_trials:
    input:
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        images="results/{dataset}/cohort/images.npy",
        masks="results/{dataset}/cohort/masks.npy",
        subsets="results/{dataset}/subsets.parquet",
        pool=lambda wildcards: [
            f"{shard}/{name}"
            for shard in pool_shards(wildcards)
            for name in ("images.npy", "masks.npy", "index.parquet", "cohort.json")
        ],
    output:
        "results/{dataset}/trials/{arm}/fraction-{fraction}/trial-{trial}.csv",
    log:
        "results/logs/train_trials/{dataset}_{arm}_{fraction}_{trial}.log",
    benchmark:
        "results/benchmarks/train_trials/{dataset}_{arm}_{fraction}_{trial}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=CONFIG["compute"]["gpus"],
        mem_mb=4000,
        runtime=2880,
    params:
        code=code("train_trials"),
        config=stage("trials"),
        cohort=subpath(input.index, parent=True),
        pool=pool_shards,
        multipliers=lambda wildcards: multipliers(wildcards.arm, wildcards.fraction),
        seed=f"--seed {STUDY['seed']}",
        checkpoints="results/checkpoints/train_trials/{dataset}_{arm}_{fraction}_{trial}",
    message:
        "Train {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, trial {wildcards.trial}"
    shell:
        "python -m scripts.train_trials --cohort {params.cohort:q} --subsets {input.subsets:q} --pool {params.pool:q} "
        "--config {params.config:q} --dataset {wildcards.dataset} --arm {wildcards.arm} "
        "--fraction {wildcards.fraction} --trial {wildcards.trial} --multipliers {params.multipliers} {params.seed} "
        "--threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule score_baselines:
    input:
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        masks="results/{dataset}/cohort/masks.npy",
    output:
        "results/{dataset}/baselines.csv",
    log:
        "results/logs/score_baselines/{dataset}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code("score_baselines"),
        config=stage("trials"),
        cohort=subpath(input.index, parent=True),
    message:
        "Score the trivial baselines of {wildcards.dataset}"
    shell:
        "python -m scripts.score_baselines --cohort {params.cohort:q} --config {params.config:q} "
        "--dataset {wildcards.dataset} --out {output:q} > {log:q} 2>&1"
