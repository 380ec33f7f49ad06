# Before any trial its test films are held against all films that taught its models. What a stopped check has found stays in
# the table beside its log: Snakemake removes the outputs of a failed job.
from scripts.lib.study.firewall import Firewall

FIREWALL = Firewall(STUDY)


rule reduce_films:
    input:
        images="results/{dataset}/cohort/images.npy",
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
    output:
        "results/{dataset}/reduced.npy",
    log:
        "results/logs/reduce_films/{dataset}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(120),
    params:
        code=code("reduce_films"),
        cohort=subpath(input.index, parent=True),
    message:
        "Reduce the films of {wildcards.dataset}, to search for copies"
    shell:
        "python -m scripts.reduce_films --cohort {params.cohort:q} --out {output:q} > {log:q} 2>&1"


rule check_leakage:
    input:
        ask(FIREWALL.files),
        learned=ask(FIREWALL.teachers),
    output:
        "results/{dataset}/leakage/{arm}.csv",
    log:
        text="results/logs/check_leakage/{dataset}_{arm}.log",
        hits="results/logs/check_leakage/{dataset}_{arm}.csv",
    benchmark:
        "results/benchmarks/check_leakage/{dataset}_{arm}.tsv"
    priority: 88
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(240),
    params:
        code=code("check_leakage"),
        config=lambda wildcards: to_json(one_line(FIREWALL.settings, wildcards)),
        cohorts=ask(FIREWALL.cohorts),
        elsewhere=optional(elsewhere=ask(FIREWALL.elsewhere)),
    message:
        "Look for test films of {wildcards.dataset} that taught the models of {wildcards.arm}"
    shell:
        "python -m scripts.check_leakage --dataset {wildcards.dataset} --arm {wildcards.arm} --cohorts {params.cohorts:q} "
        "--learned {input.learned:q} {params.elsewhere} --config {params.config:q} --threads {threads} --out {output:q} --hits {log.hits:q} "
        "> {log.text:q} 2>&1"


rule collect_checks:
    input:
        lambda wildcards: one_line(FIREWALL.tables, wildcards.dataset),
    output:
        "results/{dataset}/leakage.csv",
    log:
        "results/logs/collect_checks/{dataset}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_tables"),
    message:
        "Collect the leakage checks of {wildcards.dataset}"
    shell:
        "python -m scripts.collect_tables --tables {input:q} --out {output:q} > {log:q} 2>&1"
