rule collect_trials:
    input:
        trial_tables,
    output:
        "results/{dataset}/trials.csv",
    log:
        "results/logs/collect_trials/{dataset}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_tables"),
    message:
        "Collect the trials of {wildcards.dataset}"
    shell:
        "python -m scripts.collect_tables --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule collect_study:
    input:
        collect("results/{dataset}/{{table}}.csv", dataset=STUDY["datasets"]),
    output:
        "results/tables/{table}.csv",
    log:
        "results/logs/collect_study/{table}.log",
    wildcard_constraints:
        table="trials|baselines",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_tables"),
    message:
        "Collect the {wildcards.table} of all datasets"
    shell:
        "python -m scripts.collect_tables --tables {input:q} --out {output:q} > {log:q} 2>&1"


rule test_significance:
    input:
        "results/tables/trials.csv",
    output:
        "results/tables/significance.csv",
    log:
        "results/logs/test_significance/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("test_significance"),
        options=significance_options(STUDY_FAMILIES),
    message:
        "Test significance"
    shell:
        "python -m scripts.test_significance --trials {input:q} {params.options} --out {output:q} > {log:q} 2>&1"


# A single dataset's summary must not wait for the others, so its tests know no family wider than the dataset.
use rule test_significance as test_dataset_significance with:
    input:
        "results/{dataset}/trials.csv",
    output:
        "results/{dataset}/significance.csv",
    log:
        "results/logs/test_significance/{dataset}.log",
    params:
        code=code("test_significance"),
        options=significance_options(DATASET_FAMILIES),
    message:
        "Test significance within {wildcards.dataset}"


rule test_trend:
    input:
        "results/tables/trials.csv",
    output:
        "results/tables/trend.csv",
    log:
        "results/logs/test_trend/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("test_trend"),
        metrics=CONFIG["statistics"]["metrics"],
    message:
        "Test the trend over the multipliers"
    shell:
        "python -m scripts.test_trend --trials {input:q} --metrics {params.metrics} --out {output:q} > {log:q} 2>&1"


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


rule tabulate_figure2:
    input:
        trials="results/tables/trials.csv",
        baselines="results/tables/baselines.csv",
        significance="results/tables/significance.csv",
    output:
        "results/tables/figure2.csv",
    log:
        "results/logs/tabulate_figure2/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("tabulate_figure2"),
        config=stage("figure2"),
    message:
        "Tabulate Figure 2"
    shell:
        "python -m scripts.tabulate_figure2 --trials {input.trials:q} --baselines {input.baselines:q} "
        "--significance {input.significance:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule plot_figure2:
    input:
        "results/tables/figure2.csv",
    output:
        multiext("results/figure2", ".pdf", ".png", ".svg"),
    log:
        "results/logs/plot_figure2/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_figure2"),
        config=stage("figure2"),
    message:
        "Plot Figure 2"
    shell:
        "python -m scripts.plot_figure2 --table {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule collect_figure3:
    input:
        trials_of(FIGURE3["dataset"], FIGURE3["arms"], [f"{FIGURE3['fraction']:g}"]),
    output:
        "results/tables/figure3_trials.csv",
    log:
        "results/logs/collect_figure3/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("collect_tables"),
    message:
        "Collect the trials of Figure 3"
    shell:
        "python -m scripts.collect_tables --tables {input:q} --out {output:q} > {log:q} 2>&1"


use rule test_significance as test_figure3_significance with:
    input:
        "results/tables/figure3_trials.csv",
    output:
        "results/tables/figure3_significance.csv",
    log:
        "results/logs/test_significance/figure3.log",
    params:
        code=code("test_significance"),
        options=significance_options(DATASET_FAMILIES),
    message:
        "Test significance for Figure 3"


rule tabulate_figure3:
    input:
        trials="results/tables/figure3_trials.csv",
        baselines=f"results/{FIGURE3['dataset']}/baselines.csv",
        significance="results/tables/figure3_significance.csv",
    output:
        "results/tables/figure3.csv",
    log:
        "results/logs/tabulate_figure3/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("tabulate_figure3"),
        config=stage("figure3"),
    message:
        "Tabulate Figure 3"
    shell:
        "python -m scripts.tabulate_figure3 --trials {input.trials:q} --baselines {input.baselines:q} "
        "--significance {input.significance:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule plot_figure3:
    input:
        table="results/tables/figure3.csv",
        scores=lambda wildcards: pool_scores(figure3_cell()),
        kept=lambda wildcards: f"{pool_of(figure3_cell())}/kept.parquet",
        pool=lambda wildcards: shard_files(figure3_cell()),
    output:
        multiext("results/figure3", ".pdf", ".png", ".svg"),
    log:
        "results/logs/plot_figure3/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_figure3"),
        config=stage("figure3"),
        pool=lambda wildcards: pool_shards(figure3_cell()),
    message:
        "Plot Figure 3"
    shell:
        "python -m scripts.plot_figure3 --table {input.table:q} --pool {params.pool:q} --scores {input.scores:q} "
        "--kept {input.kept:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"
