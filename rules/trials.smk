# Most of a study's jobs are trials, and each file that a job names costs a dry run time and memory. So a trial names one
# file of a shard: index.parquet holds the SHA-256 of every image and mask, one job writes all files of the folder, and
# Snakemake removes them together before it runs that job again. Of a cohort it names the subsets alone, whose file holds the
# SHA-256 of the cohort's tables, and the small table of its arm's leakage check. A file deleted by hand that no rule asks for is missed when a trial opens it, with one line.
rule train_trials:
    input:
        ask(STUDY.trial_sources),
        subsets=ask(STUDY.subsets),
        leakage=ask(STUDY.leakage),
    output:
        "results/{dataset}/trials/{arm}/fraction-{fraction}/trial-{trial}.parquet",
    log:
        "results/logs/train_trials/{dataset}_{arm}_{fraction}_{trial}.log",
    benchmark:
        "results/benchmarks/train_trials/{dataset}_{arm}_{fraction}_{trial}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(2880),
    params:
        launch=launch_trials,
        code=code("train_trials"),
        config=trial_stage,
        multipliers=ask(STUDY.multipliers),
        added=optional(
            control=ask(STUDY.control),
            note=ask(STUDY.note),
            pool=ask(STUDY.shards),
            kept=ask(STUDY.kept),
            external=ask(STUDY.external_cohorts),
            images=ask(STUDY.image_shards),
            images_kept=ask(STUDY.image_kept),
            images_trial=ask(STUDY.image_trial),
            films_of=ask(STUDY.other_store),
        ),
        cohort=ask(STUDY.cohort),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_trials/{dataset}_{arm}_{fraction}_{trial}",
    message:
        "Train {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}, trial {wildcards.trial}"
    shell:
        "{params.launch} -m scripts.train_trials --cohort {params.cohort:q} --subsets {input.subsets:q} "
        "--arm {wildcards.arm} --fraction {wildcards.fraction} --multipliers {params.multipliers} {params.added} --config {params.config:q} --dataset {wildcards.dataset} --trial {wildcards.trial} --seed {params.seed} "
        "--threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule score_baselines:
    input:
        index=ask(STUDY.cohort_file, "index.parquet"),
        meta=ask(STUDY.cohort_file, "cohort.json"),
        masks=ask(STUDY.cohort_file, "masks.npy"),
    output:
        "results/{dataset}/baselines.csv",
    log:
        "results/logs/score_baselines/{dataset}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(30),
    params:
        code=code("score_baselines"),
        config=stage("score_trials"),
        cohort=ask(STUDY.cohort),
    message:
        "Score the trivial baselines of {wildcards.dataset}"
    shell:
        "python -m scripts.score_baselines --cohort {params.cohort:q} --config {params.config:q} "
        "--dataset {wildcards.dataset} --out {output:q} > {log:q} 2>&1"


rule pretrain_mgca:
    input:
        collect("results/{dataset}/cohort/cohort.json", dataset=STUDY.foundation),
        collect("results/{dataset}/cohort/images.npy", dataset=STUDY.foundation),
        collect("results/{dataset}/cohort/index.parquet", dataset=STUDY.foundation),
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
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(2880),
    params:
        launch=launch,
        code=code("pretrain_mgca"),
        config=stage("mgca"),
        cohorts=collect("results/{dataset}/cohort", dataset=STUDY.foundation),
        seed=STUDY.seed,
        resolution=STUDY.resolution,
        checkpoints="results/checkpoints/pretrain_mgca",
    message:
        "Match the classifier's image encoder with reports (MGCA)"
    shell:
        "{params.launch} -m scripts.pretrain_mgca --cohorts {params.cohorts:q} --config {params.config:q} "
        "--seed {params.seed} --resolution {params.resolution} --threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"
