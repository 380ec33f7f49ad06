# What Figures 1 to 4 draw, and the figures.
rule tabulate_figure2:
    input:
        trials=lambda wildcards: one_line(SHOWN.need, "figure2") or "results/tables/trials.csv",
        baselines="results/tables/baselines.csv",
        significance="results/tables/significance.csv",
        intervals="results/tables/intervals.csv",
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
        "--significance {input.significance:q} --intervals {input.intervals:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule plot_figure2:
    input:
        "results/tables/figure2.csv",
    output:
        "results/figure2.pdf",
        report(
            "results/figure2.png",
            caption="../report/figure2.rst",
            category="Figures",
            labels={"figure": "2", "shows": "Real against real and synthetic"},
        ),
        "results/figure2.svg",
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


# The bars of Figures 3 and 4: one cell, its arms beside the real films alone.
use rule score_trials as score_figure_trials with:
    input:
        lambda wildcards: one_line(STUDY.trial_files, *figure_trials(wildcards)),
        index=lambda wildcards: f"results/{figure_trials(wildcards)[0]}/cohort/index.parquet",
    output:
        "results/tables/{figure}_trials.csv",
    log:
        "results/logs/score_trials/{figure}.log",
    benchmark:
        "results/benchmarks/score_trials/{figure}.tsv"
    params:
        code=code("score_trials"),
        config=lambda wildcards: as_text(STUDY.scoring_settings(figure_trials(wildcards)[0])),
        dataset=lambda wildcards: figure_trials(wildcards)[0],
        tested=lambda wildcards: f"--cohort results/{figure_trials(wildcards)[0]}/cohort",
        predictions=lambda wildcards: one_line(STUDY.trial_patterns, *figure_trials(wildcards)),
        trials=STUDY.trials,
        seed=STUDY.seed,
    message:
        "Score the trials of {wildcards.figure}"


use rule compare_arms as compare_figure_arms with:
    input:
        "results/tables/{figure}_trials.csv",
    output:
        "results/tables/{figure}_significance.csv",
    log:
        "results/logs/compare_arms/{figure}.log",
    params:
        **SIGNIFICANCE,
        code=code("compare_arms"),
        family=STUDY.family(DATASET_FAMILIES),
    message:
        "Test significance for {wildcards.figure}"


rule tabulate_arms:
    input:
        trials="results/tables/{figure}_trials.csv",
        baselines=lambda wildcards: f"results/{figure_trials(wildcards)[0]}/baselines.csv",
        significance="results/tables/{figure}_significance.csv",
    output:
        "results/tables/{figure}.csv",
    log:
        "results/logs/tabulate_arms/{figure}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("tabulate_arms"),
        config=lambda wildcards: stage(wildcards.figure)(wildcards),
    message:
        "Tabulate {wildcards.figure}"
    shell:
        "python -m scripts.tabulate_arms --figure {wildcards.figure} --trials {input.trials:q} "
        "--baselines {input.baselines:q} --significance {input.significance:q} --config {params.config:q} "
        "--out {output:q} > {log:q} 2>&1"


rule plot_figure3:
    input:
        table="results/tables/figure3.csv",
        scores=tell(SHOWN.scored_tables),
        kept=tell(SHOWN.scored_list),
        pool=tell(SHOWN.scored_files),
    output:
        "results/figure3.pdf",
        report(
            "results/figure3.png",
            caption="../report/figure3.rst",
            category="Figures",
            labels={"figure": "3", "shows": "The proxy model"},
        ),
        "results/figure3.svg",
    log:
        "results/logs/plot_figure3/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_figure3"),
        config=stage("figure3"),
        pool=tell(SHOWN.scored_shards),
    message:
        "Plot Figure 3"
    shell:
        "python -m scripts.plot_figure3 --table {input.table:q} --pool {params.pool:q} --scores {input.scores:q} "
        "--kept {input.kept:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule plot_figure1:
    input:
        cohorts=[file for name in ("images.npy", "index.parquet") for file in STUDY.cohort_files(name)],
        table="results/tables/figure2.csv",
        significance="results/tables/significance.csv",
        mask_pool=tell(SHOWN.example_files, True),
        mask_conditions=tell(SHOWN.example_conditions),
        text_pool=tell(SHOWN.example_files, False),
        scores=tell(SHOWN.scored_tables),
        kept=tell(SHOWN.scored_list),
    output:
        "results/figure1.pdf",
        report(
            "results/figure1.png",
            caption="../report/figure1.rst",
            category="Figures",
            labels={"figure": "1", "shows": "The pipeline"},
        ),
        "results/figure1.svg",
    log:
        "results/logs/plot_figure1/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_figure1"),
        cohorts=STUDY.cohorts(),
        examples=optional(
            mask_pool=tell(SHOWN.example_shards, True),
            mask_cohort=tell(SHOWN.example_cohort),
            mask_conditions=tell(SHOWN.example_conditions),
            text_pool=tell(SHOWN.example_shards, False),
        ),
        scored=tell(SHOWN.scored_shards),
        config=lambda wildcards: to_json(SHOWN.figure1()),
    message:
        "Plot Figure 1"
    shell:
        "python -m scripts.plot_figure1 --config {params.config:q} --table {input.table:q} "
        "--significance {input.significance:q} --cohorts {params.cohorts} {params.examples} "
        "--scored-pool {params.scored} --scores {input.scores:q} --kept {input.kept:q} "
        "--out {output:q} > {log:q} 2>&1"


# What the page of the tables describes, and the sections of the configuration of which methods are told.
STUDY_TABLES = ["trials", "baselines", "intervals", "significance", "differences", "power", "trend", "leakage"]
DESCRIBED = ["study", "datasets", "base", "arms", "experts", "trials", "statistics", "compute"]


rule describe_study:
    input:
        cohorts="results/table1.csv",
        figure2="results/tables/figure2.csv",
        tables=collect("results/tables/{table}.csv", table=STUDY_TABLES + ["transfer"] * bool(STUDY.transferred())),
    output:
        methods="results/methods.md",
        page="results/tables/README.md",
        codebook="results/tables/codebook.csv",
    log:
        "results/logs/describe_study/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("describe_study"),
        config=to_json({name: CONFIG[name] for name in DESCRIBED}),
    message:
        "Write the methods, and what the columns of the tables mean"
    shell:
        "python -m scripts.describe_study --config {params.config:q} --cohorts {input.cohorts:q} --figure2 {input.figure2:q} "
        "--tables {input.tables:q} {input.figure2:q} --methods {output.methods:q} --codebook {output.codebook:q} --out {output.page:q} > {log:q} 2>&1"
