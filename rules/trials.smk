rule train_trials:
    input:
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        images="results/{dataset}/cohort/images.npy",
        masks="results/{dataset}/cohort/masks.npy",
        subsets="results/{dataset}/subsets.parquet",
        pool=shard_files,
        kept=pool_kept,
        weights=trial_weights,
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
        mem_mb=growing(4000),
        runtime=2880,
    params:
        launch=launch_trials,
        code=code("train_trials"),
        config=trial_stage,
        cohort=subpath(input.index, parent=True),
        pool=pool_shards,
        kept=lambda wildcards, input: f"--kept {input.kept}" if input.kept else "",
        multipliers=lambda wildcards: multipliers(wildcards.arm, wildcards.fraction),
        seed=f"--seed {STUDY['seed']}",
        checkpoints="results/checkpoints/train_trials/{dataset}_{arm}_{fraction}_{trial}",
    message:
        "Train {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, trial {wildcards.trial}"
    shell:
        "{params.launch} -m scripts.train_trials --cohort {params.cohort:q} --subsets {input.subsets:q} "
        "--pool {params.pool:q} {params.kept} --config {params.config:q} --dataset {wildcards.dataset} "
        "--arm {wildcards.arm} --fraction {wildcards.fraction} --trial {wildcards.trial} "
        "--multipliers {params.multipliers} {params.seed} --threads {threads} "
        "--checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


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
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=code("score_baselines"),
        config=stage("trials"),
        cohort=subpath(input.index, parent=True),
    message:
        "Score the trivial baselines of {wildcards.dataset}"
    shell:
        "python -m scripts.score_baselines --cohort {params.cohort:q} --config {params.config:q} "
        "--dataset {wildcards.dataset} --out {output:q} > {log:q} 2>&1"


rule pretrain_mgca:
    input:
        collect("results/{dataset}/cohort/cohort.json", dataset=STUDY["foundation"]),
        collect("results/{dataset}/cohort/images.npy", dataset=STUDY["foundation"]),
        collect("results/{dataset}/cohort/index.parquet", dataset=STUDY["foundation"]),
    output:
        directory("results/mgca"),
    log:
        "results/logs/pretrain_mgca/mgca.log",
    benchmark:
        "results/benchmarks/pretrain_mgca/mgca.tsv"
    priority: 60
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=CONFIG["compute"]["gpus"],
        mem_mb=growing(4000),
        runtime=2880,
    params:
        launch=launch,
        code=code("pretrain_mgca"),
        config=stage("mgca"),
        cohorts=collect("results/{dataset}/cohort", dataset=STUDY["foundation"]),
        seed=f"--seed {STUDY['seed']} --resolution {STUDY['resolution']}",
        checkpoints="results/checkpoints/pretrain_mgca",
    message:
        "Match the classifier's image encoder with reports (MGCA)"
    shell:
        "{params.launch} -m scripts.pretrain_mgca --cohorts {params.cohorts:q} --config {params.config:q} "
        "{params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"
