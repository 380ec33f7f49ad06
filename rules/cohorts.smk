# Jobs write to log files: what the cohorts of this run lack, and what leakage checks have found, is told at its end, by the
# process that the user sees.
onsuccess:
    tell_cohorts(cohorts_of(workflow.dag))
    tell_checks(checks_of(workflow.dag))
    tell_findings(findings_of(workflow.dag))


onerror:
    tell_cohorts(cohorts_of(workflow.dag))


rule write_phantom:
    output:
        tree=directory("results/phantom/{dataset}"),
        manifest="results/phantom/{dataset}.json",
    log:
        "results/logs/write_phantom/{dataset}.log",
    benchmark:
        "results/benchmarks/write_phantom/{dataset}.tsv"
    priority: 150  # what films lack is told before anything trains
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(30),
    params:
        code=code("write_phantom"),
        config=stage("write_phantom"),
        format=lambda wildcards: CONFIG["datasets"][wildcards.dataset]["format"],
        seed=STUDY.seed,
    message:
        "Draw the phantom films of {wildcards.dataset}"
    shell:
        "python -m scripts.write_phantom --dataset {wildcards.dataset} --format {params.format} "
        "--config {params.config:q} --seed {params.seed} --out {output.tree:q} --manifest {output.manifest:q} > {log:q} 2>&1"


rule prepare_cohort:
    input:
        raw_sources,
    output:
        images="results/{dataset}/cohort/images.npy",
        masks="results/{dataset}/cohort/masks.npy",
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
        quarantine="results/{dataset}/cohort/quarantine.tsv",
        notes="results/{dataset}/cohort/notes.csv",
        boxes="results/{dataset}/cohort/boxes.parquet",
    log:
        "results/logs/prepare_cohort/{dataset}.log",
    benchmark:
        "results/benchmarks/prepare_cohort/{dataset}.tsv"
    priority: 150  # what films lack is told before anything trains
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(720),
    params:
        code=code("prepare_cohort"),
        config=stage("prepare_cohort"),
        root=raw_root,
        raw=raw_fingerprint,
        decoded=films_of_another_seed,
        out=subpath(output.meta, parent=True),
        seed=STUDY.seed,
        resolution=STUDY.resolution,
    message:
        "Decode the films of {wildcards.dataset}"
    shell:
        "python -m scripts.prepare_cohort --dataset {wildcards.dataset} --root {params.root:q} "
        "--config {params.config:q} --seed {params.seed} --resolution {params.resolution} --threads {threads} {params.decoded} --out {params.out:q} > {log:q} 2>&1"


rule check_data:
    input:
        one_line(all_sources),
    output:
        page="results/check.html",
        table="results/check.csv",
        films="results/check_films.json",
    log:
        "results/logs/check_data/all.log",
    conda:
        "../envs/main.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("check_data"),
        config=as_text(CONFIG),
        raw=lambda wildcards: {name: content_of(name) for name in needed_datasets(CONFIG)},
    message:
        "Look at the films of the study"
    shell:
        "python -m scripts.check_data --config {params.config:q} --threads {threads} --out {output.page:q} "
        "--table {output.table:q} --films {output.films:q} > {log:q} 2>&1"


rule check_prerequisites:
    input:
        images=ask(STUDY.cohort_file, "images.npy"),
        masks=ask(STUDY.cohort_file, "masks.npy"),
        index=ask(STUDY.cohort_file, "index.parquet"),
        meta=ask(STUDY.cohort_file, "cohort.json"),
    output:
        "results/{dataset}/prerequisites.csv",
    log:
        "results/logs/check_prerequisites/{dataset}.log",
    priority: 200
    localrule: True
    conda:
        "../envs/main.yaml"
    threads: 1
    params:
        code=code("check_prerequisites"),
        config=needs_of,
        cohort=subpath(input.meta, parent=True),
    message:
        "Check that the films of {wildcards.dataset} bring what the study needs"
    shell:
        "python -m scripts.check_prerequisites --dataset {wildcards.dataset} --cohort {params.cohort:q} --config {params.config:q} "
        "--out {output:q} > {log:q} 2>&1"


rule draw_subsets:
    input:
        index="results/{dataset}/cohort/index.parquet",
        meta="results/{dataset}/cohort/cohort.json",
    output:
        "results/{dataset}/subsets.parquet",
    log:
        "results/logs/draw_subsets/{dataset}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(10),
    params:
        code=code("draw_subsets"),
        config=stage("subsets"),
        cohort=subpath(input.meta, parent=True),
        seed=STUDY.seed,
        trials=STUDY.trials,
    message:
        "Draw the training subsets of {wildcards.dataset}"
    shell:
        "python -m scripts.draw_subsets --cohort {params.cohort:q} --config {params.config:q} --seed {params.seed} --trials {params.trials} "
        "--out {output:q} > {log:q} 2>&1"


rule tabulate_cohorts:
    input:
        tell(STUDY.cohort_files, "cohort.json"),
        tell(STUDY.cohort_files, "index.parquet"),
    output:
        csv=report(
            "results/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "Table 1: the cohorts"},
        ),
        md="results/table1.md",
    log:
        "results/logs/tabulate_cohorts/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    threads: 1
    params:
        code=code("tabulate_cohorts"),
        cohorts=[f"results/{name}/cohort" for name in STUDY.stores],
    message:
        "Write Table 1"
    shell:
        "python -m scripts.tabulate_cohorts --cohorts {params.cohorts:q} --out-csv {output.csv:q} "
        "--out-md {output.md:q} > {log:q} 2>&1"
