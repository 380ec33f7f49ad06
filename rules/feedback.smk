rule caption_reports:
    input:
        tell(SHOWN.captioned, "results/{}/cohort/index.parquet"),
    output:
        "results/feedback/captions.parquet",
    log:
        "results/logs/caption_reports/feedback.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(240),
    params:
        code=code("caption_reports"),
        config=tell(feedback_settings, "captions"),
        cohorts=tell(SHOWN.captioned, "results/{}/cohort"),
    message:
        "Caption the reports of held-out films"
    shell:
        "python -m scripts.caption_reports --cohorts {params.cohorts:q} --config {params.config:q} --out {output:q} "
        "> {log:q} 2>&1"


rule sample_rating_sets:
    input:
        tell(SHOWN.captioned, "results/{}/cohort/index.parquet"),
        tell(SHOWN.captioned, "results/{}/cohort/masks.npy"),
        captions="results/feedback/captions.parquet",
    output:
        conditions="results/feedback/conditions.parquet",
        sets="results/feedback/sets.parquet",
        assignments="results/feedback/assignments.parquet",
        learned="results/feedback/learned_from.parquet",
    log:
        "results/logs/sample_rating_sets/feedback.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("sample_rating_sets"),
        config=tell(feedback_settings, "sets"),
        cohorts=tell(SHOWN.captioned, "results/{}/cohort"),
        raters=CONFIG["feedback"]["raters"],
        seed=STUDY.seed,
    message:
        "Draw the sets that raters see"
    shell:
        "python -m scripts.sample_rating_sets --captions {input.captions:q} --cohorts {params.cohorts:q} "
        "--config {params.config:q} --raters {params.raters:q} --seed {params.seed} --out-conditions {output.conditions:q} "
        "--out-sets {output.sets:q} --out-assignments {output.assignments:q} --out-learned {output.learned:q} > {log:q} 2>&1"


use rule sample_pool as sample_rated_pool with:
    input:
        generator="results/generators/controlnet",
        conditions="results/feedback/conditions.parquet",
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        masks=f"results/{STUDY.generator_dataset}/cohort/masks.npy",
    output:
        images="results/feedback/pool/shard-{shard}/images.npy",
        masks="results/feedback/pool/shard-{shard}/masks.npy",
        index="results/feedback/pool/shard-{shard}/index.parquet",
        meta="results/feedback/pool/shard-{shard}/cohort.json",
    log:
        "results/logs/sample_pool/feedback_{shard}.log",
    benchmark:
        "results/benchmarks/sample_pool/feedback_{shard}.tsv"
    params:
        launch=launch,
        code=code("sample_pool"),
        config=stage("sampling"),
        cohort=subpath(input.index, parent=True),
        out=subpath(output.index, parent=True),
        seed=STUDY.seed,
        shards=CONFIG["feedback"]["shards"],
    message:
        "Sample the sets that raters see, shard {wildcards.shard}"


rule simulate_ratings:
    input:
        judged_cohorts,
        sets="results/feedback/sets.parquet",
        assignments="results/feedback/assignments.parquet",
        pool=tell(SHOWN.rated_files),
    output:
        ratings="results/feedback/simulated.jsonl",
        learned="results/feedback/simulated_from.parquet",
    log:
        "results/logs/simulate_ratings/feedback.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=lasting(60),
    params:
        code=code("simulate_ratings"),
        config=tell(feedback_settings, "simulation"),
        pool=tell(SHOWN.rated_shards),
        cohorts=tell(SHOWN.captioned, "results/{}/cohort"),
        seed=STUDY.seed,
    message:
        "Simulate the raters"
    shell:
        "python -m scripts.simulate_ratings --sets {input.sets:q} --assignments {input.assignments:q} "
        "--pool {params.pool:q} --cohorts {params.cohorts:q} --config {params.config:q} --seed {params.seed} "
        "--threads {threads} --out {output.ratings:q} --out-learned {output.learned:q} > {log:q} 2>&1"


rule measure_agreement:
    input:
        ratings=tell(SHOWN.ratings),
        sets="results/feedback/sets.parquet",
        assignments="results/feedback/assignments.parquet",
    output:
        table="results/feedback/agreement.csv",
        raters="results/feedback/raters.csv",
        figure=report(
            "results/feedback/agreement.png",
            caption="../report/agreement.rst",
            category="Figures",
            labels={"figure": "agreement", "shows": "How far raters agree"},
        ),
    log:
        "results/logs/measure_agreement/feedback.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("measure_agreement"),
        config=tell(feedback_settings, "agreement"),
        seed=STUDY.seed,
    message:
        "Measure how far raters agree"
    shell:
        "python -m scripts.measure_agreement --ratings {input.ratings:q} --sets {input.sets:q} "
        "--assignments {input.assignments:q} --config {params.config:q} --seed {params.seed} --out-table {output.table:q} "
        "--out-raters {output.raters:q} --out-figure {output.figure:q} > {log:q} 2>&1"


rule build_preferences:
    input:
        ratings=tell(SHOWN.ratings),
        sets="results/feedback/sets.parquet",
        assignments="results/feedback/assignments.parquet",
    output:
        train="results/feedback/preferences-train.jsonl",
        heldout="results/feedback/preferences-heldout.jsonl",
        report="results/feedback/preferences-report.jsonl",
    log:
        "results/logs/build_preferences/feedback.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=lasting(30),
    params:
        code=code("build_preferences"),
        config=tell(feedback_settings, "preferences"),
        seed=STUDY.seed,
    message:
        "Turn ratings into pairs"
    shell:
        "python -m scripts.build_preferences --ratings {input.ratings:q} --sets {input.sets:q} "
        "--assignments {input.assignments:q} --config {params.config:q} --seed {params.seed} --out-train {output.train:q} "
        "--out-heldout {output.heldout:q} --out-report {output.report:q} > {log:q} 2>&1"


rule train_dpo:
    input:
        generator="results/generators/controlnet",
        train="results/feedback/preferences-train.jsonl",
        heldout="results/feedback/preferences-heldout.jsonl",
        report="results/feedback/preferences-report.jsonl",
        learned=tell(SHOWN.ratings_learned),
        pool=tell(SHOWN.rated_files),
    output:
        directory("results/generators/dpo"),
    log:
        "results/logs/train_dpo/dpo.log",
    benchmark:
        "results/benchmarks/train_dpo/dpo.tsv"
    priority: 85
    conda:
        "../envs/main.yaml"
    threads: TRAINING_THREADS
    resources:
        gpu=GPUS,
        cpus_per_task=cpus_of_several,
        mem_mb=growing(4000),
        runtime=lasting(2880),
    params:
        launch=launch_several,
        code=code("train_dpo"),
        config=stage("dpo"),
        pool=tell(SHOWN.rated_shards),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_dpo",
    message:
        "Tune the generator to the raters' preferences (Diffusion-DPO)"
    shell:
        "{params.launch} -m scripts.train_dpo --generator {input.generator:q} --pool {params.pool:q} "
        "--preferences {input.train:q} --heldout {input.heldout:q} --report {input.report:q} --learned {input.learned:q} --config {params.config:q} "
        "--seed {params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule plot_figure4:
    input:
        table="results/tables/figure4.csv",
        ratings=tell(SHOWN.ratings),
        sets="results/feedback/sets.parquet",
        pool=tell(SHOWN.rated_files),
        generator="results/generators/dpo",
    output:
        "results/figure4.pdf",
        report(
            "results/figure4.png",
            caption="../report/figure4.rst",
            category="Figures",
            labels={"figure": "4", "shows": "Raters' feedback"},
        ),
        "results/figure4.svg",
    log:
        "results/logs/plot_figure4/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_figure4"),
        config=stage("figure4"),
        pool=tell(SHOWN.rated_shards),
    message:
        "Plot Figure 4"
    shell:
        "python -m scripts.plot_figure4 --table {input.table:q} --ratings {input.ratings:q} --sets {input.sets:q} "
        "--pool {params.pool:q} --monitor {input.generator:q}/monitor.csv --accuracy {input.generator:q}/accuracy.csv "
        "--config {params.config:q} --out {output:q} > {log:q} 2>&1"
