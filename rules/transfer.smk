# What models were trained on against what they were tested on: real films, images, films of another dataset.
from scripts.lib.study.transfer import Transfer

TRANSFER = Transfer(STUDY)


rule tabulate_transfer:
    input:
        lambda wildcards: one_line(STUDY.trial_files, *study_trials(wildcards)),
    output:
        "results/{dataset}/transfer.csv",
    log:
        "results/logs/tabulate_transfer/{dataset}.log",
    benchmark:
        "results/benchmarks/tabulate_transfer/{dataset}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(120),
    params:
        code=code("tabulate_transfer"),
        config=lambda wildcards: to_json(one_line(TRANSFER.settings, wildcards)),
        predictions=lambda wildcards: one_line(STUDY.trial_patterns, *study_trials(wildcards)),
        trials=STUDY.trials,
        seed=STUDY.seed,
    message:
        "Tabulate what models of {wildcards.dataset} were trained and tested on"
    shell:
        "python -m scripts.tabulate_transfer --predictions {params.predictions:q} --trials {params.trials} "
        "--dataset {wildcards.dataset} --config {params.config:q} --seed {params.seed} --threads {threads} "
        "--out {output:q} > {log:q} 2>&1"


rule plot_transfer:
    input:
        "results/tables/transfer.csv",
    output:
        "results/transfer.pdf",
        report(
            "results/transfer.png",
            caption="../report/transfer.rst",
            category="Figures",
            labels={"figure": "transfer", "shows": "Trained on, tested on"},
        ),
        "results/transfer.svg",
    log:
        "results/logs/plot_transfer/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_transfer"),
        config=tell(TRANSFER.look),
    message:
        "Plot what models were trained and tested on"
    shell:
        "python -m scripts.plot_transfer --table {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"
