# Whether images show what their label or mask says: a judge that learned from real films alone looks at every pool.
from scripts.lib.study.judging import Judging

JUDGING = Judging(STUDY)


rule train_judge:
    input:
        ask(JUDGING.films),
    output:
        directory("results/judges/{judge}"),
    log:
        "results/logs/train_judge/{judge}.log",
    benchmark:
        "results/benchmarks/train_judge/{judge}.tsv"
    wildcard_constraints:
        judge="[a-z0-9][a-z0-9_-]*",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(1440),
    params:
        launch=launch,
        code=code("train_judge"),
        config=lambda wildcards: as_text(one_line(JUDGING.settings, wildcards)),
        cohort=lambda wildcards, input: os.path.dirname(input[0]),
        split=ask(JUDGING.split),
        structure=optional(structure=ask(JUDGING.structure)),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_judge/{judge}",
    message:
        "Train the judge {wildcards.judge} on real films"
    shell:
        "{params.launch} -m scripts.train_judge --cohort {params.cohort:q} --split {params.split} {params.structure} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} "
        "--out {output:q} > {log:q} 2>&1"


rule judge_pool:
    input:
        judge=ask(JUDGING.judge),
        pool=ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/judged.parquet",
    log:
        "results/logs/judge_pool/{dataset}_{arm}_{fraction}.log",
    benchmark:
        "results/benchmarks/judge_pool/{dataset}_{arm}_{fraction}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("judge_pool"),
        config=settings_of("faithfulness", "device", "precision"),
        pool=ask(STUDY.shards),
        shows=ask(JUDGING.shown),
        most=ask(JUDGING.most),
    message:
        "Judge {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "{params.launch} -m scripts.judge_pool --judge {input.judge:q} --pool {params.pool:q} --shows {params.shows} "
        "--most {params.most} --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule measure_faithfulness:
    input:
        judged="results/{dataset}/pools/{arm}/fraction-{fraction}/judged.parquet",
        judge=ask(JUDGING.judge),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/faithfulness.csv",
    log:
        "results/logs/measure_faithfulness/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("measure_faithfulness"),
        config=settings_of("faithfulness", "least", "percentile"),
        shows=ask(JUDGING.shown),
        dropped=ask(JUDGING.dropping),
    message:
        "Measure the faithfulness of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.measure_faithfulness --judged {input.judged:q} --judge {input.judge:q} --shows {params.shows} "
        "{params.dropped} --dataset {wildcards.dataset} --arm {wildcards.arm} --fraction {wildcards.fraction} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule draw_judged:
    input:
        judged="results/{dataset}/pools/{arm}/fraction-{fraction}/judged.parquet",
        judge=ask(JUDGING.judge),
        pool=ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/judged.png",
    log:
        "results/logs/draw_judged/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(60),
    params:
        name=POOL_NAME,
        launch=launch,
        code=code("draw_judged"),
        config=settings_of("faithfulness", "percentile", "device", "precision"),
        pool=ask(STUDY.shards),
        shows=ask(JUDGING.shown),
    message:
        "Draw what the judge denies of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "{params.launch} -m scripts.draw_judged --pool {params.pool:q} --judged {input.judged:q} --judge {input.judge:q} "
        "--name {params.name:q} "
        "--shows {params.shows} --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule keep_faithful:
    input:
        judged="results/{dataset}/pools/{arm}/fraction-{fraction}/judged.parquet",
        judge=ask(JUDGING.judge),
        pool=ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/faithful.parquet",
    log:
        "results/logs/keep_faithful/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("keep_faithful"),
        config=settings_of("faithfulness", "percentile"),
        pool=ask(STUDY.shards),
        shows=ask(JUDGING.shown),
    message:
        "Keep what shows what it was asked to show of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.keep_faithful --pool {params.pool:q} --judged {input.judged:q} --judge {input.judge:q} "
        "--shows {params.shows} --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule refuse_unfaithful:
    input:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/faithfulness.csv",
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/faithful.txt",
    log:
        "results/logs/refuse_unfaithful/{dataset}_{arm}_{fraction}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("refuse_unfaithful"),
    message:
        "Check that {wildcards.dataset} {wildcards.arm} at {wildcards.fraction} shows what it should"
    shell:
        "python -m scripts.refuse_unfaithful --table {input:q} --out {output:q} > {log:q} 2>&1"


rule measure_shortcut:
    input:
        splits=ask(FIDELITY.checked_index),
        subsets="results/{dataset}/subsets.parquet",
        pool=ask(STUDY.shard_files),
        kept=ask(STUDY.kept),
        images=ask(FIDELITY.source_features),
        films=f"results/{{dataset}}/features/{one_line(FIDELITY.search)}.npy",
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/shortcut.csv",
    log:
        "results/logs/measure_shortcut/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("measure_shortcut"),
        pool=ask(STUDY.shards),
        kept=optional(kept=ask(STUDY.kept)),
        labels=ask(JUDGING.shown),
        multipliers=ask(STUDY.multipliers),
        trials=STUDY.trials,
        network=one_line(FIDELITY.search),
        splits=ask(FIDELITY.reference),
    message:
        "Measure what the source tells of the label in {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.measure_shortcut --pool {params.pool:q} --cohort results/{wildcards.dataset}/cohort "
        "--subsets {input.subsets:q} {params.kept} --labels {params.labels} --multipliers {params.multipliers} "
        "--trials {params.trials} --network {params.network} --pool-features {input.images:q} --cohort-features {input.films:q} "
        "--splits {params.splits} --dataset {wildcards.dataset} --arm {wildcards.arm} --fraction {wildcards.fraction} "
        "--threads {threads} --out {output:q} > {log:q} 2>&1"
