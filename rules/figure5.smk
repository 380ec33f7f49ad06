# System B: arms of masks that the mask generator makes of words.
FIGURE5 = Figure5(STUDY)


rule tabulate_figure5:
    input:
        trials=tell(FIGURE5.tables, "trials"),
        baselines=tell(FIGURE5.tables, "baselines"),
        significance=tell(FIGURE5.tables, "significance"),
        intervals=tell(FIGURE5.tables, "intervals"),
    output:
        "results/tables/figure5.csv",
    log:
        "results/logs/tabulate_figure5/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("tabulate_figure5"),
        config=figure5_settings,
    message:
        "Tabulate Figure 5"
    shell:
        "python -m scripts.tabulate_figure5 --trials {input.trials:q} --baselines {input.baselines:q} "
        "--significance {input.significance:q} --intervals {input.intervals:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule tabulate_table2:
    input:
        summaries=tell(FIGURE5.tables, "summary"),
        intervals=tell(FIGURE5.tables, "intervals"),
        differences=tell(FIGURE5.tables, "differences"),
        baselines=tell(FIGURE5.tables, "baselines"),
        shares=tell(FIGURE5.shares),
    output:
        csv=report(
            "results/table2.csv",
            caption="../report/table2.rst",
            category="Tables",
            labels={"table": "Table 2: arms of masks"},
        ),
        md="results/table2.md",
    log:
        "results/logs/tabulate_table2/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("tabulate_table2"),
        config=figure5_settings,
        shares=optional(shares=tell(FIGURE5.shares)),
    message:
        "Write Table 2"
    shell:
        "python -m scripts.tabulate_table2 --summaries {input.summaries:q} --intervals {input.intervals:q} "
        "--differences {input.differences:q} --baselines {input.baselines:q} {params.shares} --config {params.config:q} "
        "--out-csv {output.csv:q} --out-md {output.md:q} > {log:q} 2>&1"


rule plot_figure5:
    input:
        tell(FIGURE5.mask_files),
        tell(FIGURE5.pool_files),
        tell(FIGURE5.cohort_files),
        bars="results/tables/figure5.csv",
        conditions=tell(FIGURE5.conditions),
        acceptance=tell(FIGURE5.acceptance),
        shares=tell(FIGURE5.shares),
    output:
        "results/figure5.pdf",
        report(
            "results/figure5.png",
            caption="../report/figure5.rst",
            category="Figures",
            labels={"figure": "5", "shows": "From words to masks, images and boxes"},
        ),
        "results/figure5.svg",
    log:
        "results/logs/plot_figure5/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_figure5"),
        masks=tell(FIGURE5.mask_tables),
        mask_pool=tell(FIGURE5.mask_shards),
        pool=tell(FIGURE5.pool_shards),
        cohort=tell(FIGURE5.cohort),
        others=optional(acceptance=tell(FIGURE5.acceptance), shares=tell(FIGURE5.shares)),
        config=figure5_settings,
    message:
        "Plot Figure 5"
    shell:
        "python -m scripts.plot_figure5 --bars {input.bars:q} --masks {params.masks:q} --mask-pool {params.mask_pool:q} "
        "--pool {params.pool:q} --conditions {input.conditions:q} --cohort {params.cohort:q} {params.others} "
        "--config {params.config:q} --out {output:q} > {log:q} 2>&1"
