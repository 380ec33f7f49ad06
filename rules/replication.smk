# The whole study under other seeds. Each seed has a folder and a Snakemake of its own, which resumes, and sends its jobs where
# the study's jobs go; one more seed computes that seed alone. What is drawn with the study's own seed is the study itself.
from scripts.lib.study.fingerprint import fingerprint_of_all


wildcard_constraints:
    seed="[0-9]+",


rule replicate_study:
    input:
        tell(REPLICATION.indices),
    output:
        "results/seeds/seed-{seed}.csv",
    log:
        "results/logs/replicate_study/seed-{seed}.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    # On this machine one seed after the other, each with all cores; on a cluster all of them wait side by side.
    threads: workflow.resource_settings.cores or 1
    params:
        code=tell(fingerprint_of_all),
        config=whole_config,
        films=tell(lambda: {name: content_of(name) for name in REPLICATION.real_datasets()}),
        options=options_of_run,
    message:
        "Run the study with seed {wildcards.seed}"
    shell:
        "python -m scripts.replicate_study --config {params.config:q} --folder results/seeds/seed-{wildcards.seed} "
        "--out {output:q} -- {params.options} 2>&1 | tee --ignore-interrupts {log:q}"


rule measure_replication:
    input:
        tell(REPLICATION.tables),
    output:
        table=report(
            "results/tables/replication.csv",
            caption="../report/replication.rst",
            category="Tables",
            labels={"table": "Replication over seeds"},
        ),
        seeds="results/tables/replication_seeds.csv",
        coverage="results/tables/replication_coverage.csv",
    log:
        "results/logs/measure_replication/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("measure_replication"),
        config=settings_of("statistics", "metrics"),
        tables=tell(REPLICATION.named_tables),
    message:
        "Compare the seeds"
    shell:
        "python -m scripts.measure_replication --differences {params.tables:q} --config {params.config:q} "
        "--out {output.table:q} --seeds {output.seeds:q} --coverage {output.coverage:q} 2>&1 | tee {log:q}"


rule plot_replication:
    input:
        table="results/tables/replication.csv",
        seeds="results/tables/replication_seeds.csv",
    output:
        "results/replication.pdf",
        report(
            "results/replication.png",
            caption="../report/replication.rst",
            category="Figures",
            labels={"figure": "replication", "shows": "Every difference under several seeds"},
        ),
        "results/replication.svg",
    log:
        "results/logs/plot_replication/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_replication"),
        config=stage("figure2"),
    message:
        "Plot the seeds"
    shell:
        "python -m scripts.plot_replication --table {input.table:q} --seeds {input.seeds:q} --config {params.config:q} "
        "--out {output:q} > {log:q} 2>&1"
