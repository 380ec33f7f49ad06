# From the predictions of trials to the tables of a study: metrics, t tests, trends, summaries.
DATASET_FAMILIES = ["setting", "dataset"]
STUDY_FAMILIES = [*DATASET_FAMILIES, "task", "study"]
SIGNIFICANCE = {name: CONFIG["statistics"][name] for name in ("test", "alpha", "metrics")}


rule score_trials:
    input:
        lambda wildcards: one_line(STUDY.trial_files, *study_trials(wildcards)),
        index=ask(STUDY.cohort_file, "index.parquet"),
    output:
        "results/{dataset}/trials.csv",
    log:
        "results/logs/score_trials/{dataset}.log",
    benchmark:
        "results/benchmarks/score_trials/{dataset}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("score_trials"),
        config=stage("score_trials"),
        dataset="{dataset}",
        tested=optional(cohort=ask(STUDY.cohort), films_of=ask(STUDY.other_store)),
        predictions=lambda wildcards: one_line(STUDY.trial_patterns, *study_trials(wildcards)),
        trials=STUDY.trials,
        seed=STUDY.seed,
    message:
        "Score the trials of {wildcards.dataset}"
    shell:
        "python -m scripts.score_trials --predictions {params.predictions:q} --trials {params.trials} --dataset {params.dataset} "
        "{params.tested} --config {params.config:q} --seed {params.seed} --out {output:q} > {log:q} 2>&1"


# The same models on the test films of other cohorts (trials.external).
use rule score_trials as score_external with:
    input:
        lambda wildcards: one_line(STUDY.trial_files, *study_trials(wildcards)),
        index=ask(STUDY.external_indices),
    output:
        "results/{dataset}/external.csv",
    log:
        "results/logs/score_external/{dataset}.log",
    benchmark:
        "results/benchmarks/score_external/{dataset}.tsv"
    params:
        code=code("score_trials"),
        config=stage("score_trials"),
        dataset="{dataset}",
        tested=optional(external=ask(STUDY.external_cohorts), films_of=ask(STUDY.other_store)),
        predictions=lambda wildcards: one_line(STUDY.trial_patterns, *study_trials(wildcards)),
        trials=STUDY.trials,
        seed=STUDY.seed,
    message:
        "Score the models of {wildcards.dataset} on other cohorts"


rule collect_study:
    input:
        lambda wildcards: [f"results/{name}/{wildcards.table}.csv" for name in STUDY.tabled(wildcards.table)],
    output:
        "results/tables/{table}.csv",
    log:
        "results/logs/collect_study/{table}.log",
    wildcard_constraints:
        table="trials|baselines|intervals|leakage|transfer",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_tables"),
    message:
        "Collect the {wildcards.table} of all datasets"
    shell:
        "python -m scripts.collect_tables --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule compare_arms:
    input:
        "results/tables/trials.csv",
    output:
        report(
            "results/tables/significance.csv",
            caption="../report/significance.rst",
            category="Tables",
            labels={"table": "Tests"},
        ),
    log:
        "results/logs/compare_arms/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        **SIGNIFICANCE,
        code=code("compare_arms"),
        family=STUDY.family(STUDY_FAMILIES),
    message:
        "Test significance"
    shell:
        "python -m scripts.compare_arms --trials {input:q} --test {params.test} --family {params.family} "
        "--alpha {params.alpha} --metrics {params.metrics} --out {output:q} > {log:q} 2>&1"


# A single dataset's summary must not wait for the others, so its tests know no family wider than the dataset.
use rule compare_arms as compare_dataset_arms with:
    input:
        "results/{dataset}/trials.csv",
    output:
        "results/{dataset}/significance.csv",
    log:
        "results/logs/compare_arms/{dataset}.log",
    params:
        **SIGNIFICANCE,
        code=code("compare_arms"),
        family=STUDY.family(DATASET_FAMILIES),
    message:
        "Test significance within {wildcards.dataset}"


rule measure_trend:
    input:
        "results/tables/trials.csv",
    output:
        report(
            "results/tables/trend.csv",
            caption="../report/trend.rst",
            category="Tables",
            labels={"table": "Trend over the multipliers"},
        ),
    log:
        "results/logs/measure_trend/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("measure_trend"),
        metrics=CONFIG["statistics"]["metrics"],
    message:
        "Test the trend over the multipliers"
    shell:
        "python -m scripts.measure_trend --trials {input:q} --metrics {params.metrics} --out {output:q} > {log:q} 2>&1"


rule summarize_dataset:
    input:
        trials="results/{dataset}/trials.csv",
        baselines="results/{dataset}/baselines.csv",
        significance="results/{dataset}/significance.csv",
    output:
        "results/{dataset}/summary.csv",
    log:
        "results/logs/summarize_dataset/{dataset}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("summarize_dataset"),
    message:
        "Summarize {wildcards.dataset}"
    shell:
        "python -m scripts.summarize_dataset --trials {input.trials:q} --baselines {input.baselines:q} "
        "--significance {input.significance:q} --out {output:q} > {log:q} 2>&1"
