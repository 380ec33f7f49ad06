# Tables made from predictions that say how sure an answer is, and their figure. No training depends on them.
from scripts.lib.study.transfer import Transfer

TRANSFER = Transfer(STUDY)


rule bootstrap_differences:
    input:
        lambda wildcards: one_line(STUDY.trial_files, *study_trials(wildcards)),
    output:
        differences="results/{dataset}/differences.csv",
        intervals="results/{dataset}/intervals.csv",
    log:
        "results/logs/bootstrap_differences/{dataset}.log",
    benchmark:
        "results/benchmarks/bootstrap_differences/{dataset}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(120),
    params:
        code=code("bootstrap_differences"),
        config=settings_of("statistics", "bootstrap", "metrics", "alpha"),
        pairs=tell(lambda: [f"{arm}:{against}" for arm, against in comparisons(CONFIG)]),
        policy=lambda wildcards: STUDY.scoring_settings(wildcards.dataset).get("empty_policy", "exclude"),
        predictions=lambda wildcards: one_line(STUDY.trial_patterns, *study_trials(wildcards)),
        trials=STUDY.trials,
        family=STUDY.family(DATASET_FAMILIES),
        seed=STUDY.seed,
    message:
        "Draw the test films of {wildcards.dataset} anew"
    shell:
        "python -m scripts.bootstrap_differences --predictions {params.predictions:q} --trials {params.trials} "
        "--config {params.config:q} --pairs {params.pairs} --empty-policy {params.policy} --family {params.family} "
        "--seed {params.seed} --threads {threads} --out {output.differences:q} --means {output.intervals:q} > {log:q} 2>&1"


rule collect_differences:
    input:
        collect("results/{dataset}/differences.csv", dataset=STUDY.datasets),
    output:
        report(
            "results/tables/differences.csv",
            caption="../report/differences.rst",
            category="Tables",
            labels={"table": "Differences with intervals"},
        ),
    log:
        "results/logs/collect_differences/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_differences"),
        config=settings_of("statistics", "metrics", "alpha"),
        family=STUDY.family(STUDY_FAMILIES),
    message:
        "Collect the differences of all datasets"
    shell:
        "python -m scripts.collect_differences --tables {input:q} --config {params.config:q} --family {params.family} "
        "--out {output:q} > {log:q} 2>&1"


rule estimate_power:
    input:
        "results/tables/differences.csv",
    output:
        report(
            "results/tables/power.csv",
            caption="../report/power.rst",
            category="Tables",
            labels={"table": "Power of the design"},
        ),
    log:
        "results/logs/estimate_power/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("estimate_power"),
        config=settings_of("statistics", "alpha", "power"),
    message:
        "Estimate what the design can find"
    shell:
        "python -m scripts.estimate_power --differences {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule plot_evidence:
    input:
        "results/tables/differences.csv",
    output:
        "results/evidence.pdf",
        report(
            "results/evidence.png",
            caption="../report/evidence.rst",
            category="Figures",
            labels={"figure": "evidence", "shows": "Differences with intervals"},
        ),
        "results/evidence.svg",
    log:
        "results/logs/plot_evidence/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_evidence"),
        config=stage("figure2"),
    message:
        "Plot the evidence"
    shell:
        "python -m scripts.plot_evidence --differences {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


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
