# Tables made from predictions that say what synthetic films are worth in real ones. No training depends on them, but for the
# trials of real films alone at study.real_fractions, which only these tables read.
from scripts.lib.study.worth import failure_settings, worth_settings


rule measure_equivalence:
    input:
        tell(STUDY.curve_files, STUDY.datasets),
    output:
        report(
            "results/tables/equivalence.csv",
            caption="../report/equivalence.rst",
            category="Tables",
            labels={"table": "Worth in real films"},
        ),
    log:
        "results/logs/measure_equivalence/study.log",
    benchmark:
        "results/benchmarks/measure_equivalence/study.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(120),
    params:
        code=code("measure_equivalence"),
        config=tell(lambda: to_json(worth_settings(STUDY, STUDY.datasets, ["bootstrap", "metrics"], curve=True))),
    message:
        "Measure what synthetic films are worth in real ones"
    shell:
        "python -m scripts.measure_equivalence --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule score_subgroups:
    input:
        tell(STUDY.study_files, STUDY.datasets),
        tell(STUDY.cohort_files, "index.parquet"),
    output:
        report(
            "results/tables/subgroups.csv",
            caption="../report/subgroups.rst",
            category="Tables",
            labels={"table": "Subgroups"},
        ),
    log:
        "results/logs/score_subgroups/study.log",
    benchmark:
        "results/benchmarks/score_subgroups/study.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(120),
    params:
        code=code("score_subgroups"),
        config=tell(
            lambda: to_json(worth_settings(STUDY, STUDY.datasets, ["bootstrap", "metrics", "subgroups", "age_bands"]))
        ),
        cohorts=STUDY.cohorts(),
    message:
        "Score sexes, ages and views apart"
    shell:
        "python -m scripts.score_subgroups --config {params.config:q} --cohorts {params.cohorts:q} --threads {threads} "
        "--out {output:q} > {log:q} 2>&1"


rule plot_equivalence:
    input:
        "results/tables/equivalence.csv",
    output:
        "results/equivalence.pdf",
        report(
            "results/equivalence.png",
            caption="../report/equivalence.rst",
            category="Figures",
            labels={"figure": "equivalence", "shows": "Worth in real films"},
        ),
        "results/equivalence.svg",
    log:
        "results/logs/plot_equivalence/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_equivalence"),
        config=stage("figure2"),
    message:
        "Plot what synthetic films are worth in real ones"
    shell:
        "python -m scripts.plot_equivalence --equivalence {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule measure_calibration:
    input:
        tell(STUDY.study_files, STUDY.datasets),
    output:
        table=report(
            "results/tables/calibration.csv",
            caption="../report/calibration.rst",
            category="Tables",
            labels={"table": "Calibration"},
        ),
        curve="results/tables/reliability.csv",
    log:
        "results/logs/measure_calibration/study.log",
    benchmark:
        "results/benchmarks/measure_calibration/study.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(120),
    params:
        code=code("measure_calibration"),
        config=tell(lambda: to_json(worth_settings(STUDY, STUDY.datasets, ["calibration_draws"]))),
    message:
        "Measure whether probabilities are right"
    shell:
        "python -m scripts.measure_calibration --config {params.config:q} --threads {threads} --out {output.table:q} "
        "--curve {output.curve:q} > {log:q} 2>&1"


rule plot_calibration:
    input:
        "results/tables/reliability.csv",
    output:
        "results/calibration.pdf",
        report(
            "results/calibration.png",
            caption="../report/calibration.rst",
            category="Figures",
            labels={"figure": "calibration", "shows": "Reliability curves"},
        ),
        "results/calibration.svg",
    log:
        "results/logs/plot_calibration/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_calibration"),
        config=stage("figure2"),
    message:
        "Plot reliability curves"
    shell:
        "python -m scripts.plot_calibration --curve {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"


rule draw_failures:
    input:
        tell(STUDY.study_files, STUDY.datasets),
        tell(STUDY.cohort_files, "images.npy"),
        tell(STUDY.cohort_files, "index.parquet"),
    output:
        table="results/tables/failures.csv",
        picture=report(
            "results/failures.png",
            caption="../report/failures.rst",
            category="Figures",
            labels={"figure": "failures", "shows": "Films that got worse"},
        ),
    log:
        "results/logs/draw_failures/study.log",
    benchmark:
        "results/benchmarks/draw_failures/study.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("draw_failures"),
        config=tell(lambda: to_json(failure_settings(STUDY))),
        cohorts=STUDY.cohorts(),
    message:
        "Draw the test films that got worse"
    shell:
        "python -m scripts.draw_failures --config {params.config:q} --cohorts {params.cohorts:q} --table {output.table:q} "
        "--out {output.picture:q} > {log:q} 2>&1"
