rule build_conditions:
    input:
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        masks="results/{dataset}/cohort/masks.npy",
        subsets="results/{dataset}/subsets.parquet",
    output:
        "results/{dataset}/conditions/{arm}/fraction-{fraction}.parquet",
    log:
        "results/logs/build_conditions/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("build_conditions"),
        config=signed(lambda wildcards: as_text(one_line(STUDY.condition_settings, wildcards))),
        cohort=subpath(input.index, parent=True),
        most=ask(STUDY.candidates),
        seed=STUDY.seed,
        trials=STUDY.trials,
        words=ask(STUDY.words),
    message:
        "Build the conditions of {wildcards.dataset} for {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.build_conditions --cohort {params.cohort:q} --subsets {input.subsets:q} "
        "--config {params.config:q} --arm {wildcards.arm} --fraction {wildcards.fraction} "
        "--multiplier {params.most} --seed {params.seed} --trials {params.trials} {params.words} --out {output:q} > {log:q} 2>&1"
