# Counterfactual edits: real films given another class, what a judge says of them, and whether the child stays the same.
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.editing import Editing

EDITING = Editing(STUDY)


rule check_judge:
    input:
        tell(EDITING.films),
        judge=tell(EDITING.judge),
    output:
        f"{EDITING.folder}/judge.json",
    log:
        "results/logs/check_judge/edits.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(60),
    params:
        launch=launch,
        code=code("check_judge"),
        config=tell(lambda: as_text(EDITING.settings("least"))),
        cohort=EDITING.cohort,
        target=tell(STUDY.generator_target),
    message:
        "Check the judge of edits"
    shell:
        "{params.launch} -m scripts.check_judge --judge {input.judge:q} --cohort {params.cohort:q} --target {params.target} "
        "--config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule sweep_edits:
    input:
        tell(EDITING.films),
        judge=tell(EDITING.judge),
        verdict=f"{EDITING.folder}/judge.json",
        generator="results/generators/class-ldm",
    output:
        table=f"{EDITING.folder}/sweep.csv",
        points=f"{EDITING.folder}/points.json",
    log:
        "results/logs/sweep_edits/edits.log",
    benchmark:
        "results/benchmarks/sweep_edits/edits.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("sweep_edits"),
        config=tell(lambda: as_text(EDITING.settings("ways", "steps", "sweep", "identity", "draws"))),
        sampling=tell(lambda: as_text(EDITING.sampling())),
        cohort=EDITING.cohort,
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
    message:
        "Sweep strength and guidance of edits"
    shell:
        "{params.launch} -m scripts.sweep_edits --generator {input.generator:q} --judge {input.judge:q} --verdict {input.verdict:q} "
        "--cohort {params.cohort:q} --target {params.target} --sampling {params.sampling:q} --config {params.config:q} "
        "--seed {params.seed} --threads {threads} --out {output.table:q} --points {output.points:q} > {log:q} 2>&1"


rule edit_films:
    input:
        tell(EDITING.films),
        points=f"{EDITING.folder}/points.json",
        generator="results/generators/class-ldm",
    output:
        collect(f"{EDITING.folder}/{{method}}/shard-{{shard}}/{{file}}", file=COHORT_FILES, allow_missing=True),
    log:
        "results/logs/edit_films/{method}_{shard}.log",
    benchmark:
        "results/benchmarks/edit_films/{method}_{shard}.tsv"
    wildcard_constraints:
        method="|".join(EDITING.methods),
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("edit_films"),
        config=tell(lambda: as_text(EDITING.settings("steps", "films", "shards"))),
        sampling=tell(lambda: as_text(EDITING.sampling())),
        cohort=EDITING.cohort,
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
        out=subpath(output[0], parent=True),
    message:
        "Edit films by {wildcards.method}, shard {wildcards.shard}"
    shell:
        "{params.launch} -m scripts.edit_films --generator {input.generator:q} --points {input.points:q} --method {wildcards.method} "
        "--shard {wildcards.shard} --cohort {params.cohort:q} --target {params.target} --sampling {params.sampling:q} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --out {params.out:q} > {log:q} 2>&1"


rule measure_edits:
    input:
        tell(EDITING.films),
        tell(EDITING.stores),
        judge=tell(EDITING.judge),
        verdict=f"{EDITING.folder}/judge.json",
        points=f"{EDITING.folder}/points.json",
    output:
        table=f"{EDITING.folder}/edits.csv",
        films=f"{EDITING.folder}/films.parquet",
    log:
        "results/logs/measure_edits/edits.log",
    benchmark:
        "results/benchmarks/measure_edits/edits.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(240),
    params:
        launch=launch,
        code=code("measure_edits"),
        config=tell(lambda: as_text({**EDITING.settings("draws"), "nearest": CONFIG["fidelity"]["nearest"]})),
        folder=subpath(output.table, parent=True),
        methods=EDITING.methods,
        shards=EDITING.own["shards"],
        note=optional(note=ask(lambda _: EDITING.note())),
        cohort=EDITING.cohort,
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
    message:
        "Measure the edits"
    shell:
        "{params.launch} -m scripts.measure_edits --edits {params.folder:q} --methods {params.methods} --shards {params.shards} "
        "--points {input.points:q} --judge {input.judge:q} --verdict {input.verdict:q} {params.note} --cohort {params.cohort:q} "
        "--target {params.target} --config {params.config:q} --seed {params.seed} --threads {threads} --out {output.table:q} "
        "--films {output.films:q} > {log:q} 2>&1"


rule plot_edits:
    input:
        tell(EDITING.films),
        tell(EDITING.stores),
        table=f"{EDITING.folder}/edits.csv",
        films=f"{EDITING.folder}/films.parquet",
    output:
        "results/ldm_edits.pdf",
        report(
            "results/ldm_edits.png",
            caption="../report/edits.rst",
            category="Figures",
            labels={"figure": "edits", "shows": "Counterfactual edits"},
        ),
        "results/ldm_edits.svg",
    log:
        "results/logs/plot_edits/edits.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("plot_edits"),
        config=to_json({key: CONFIG["figures"][key] for key in ("width_mm", "dpi")}),
        shards=EDITING.shards(EDITING.own["ways"][0]),
        cohort=EDITING.cohort,
    message:
        "Plot edits, the worst with them"
    shell:
        "python -m scripts.plot_edits --cohort {params.cohort:q} --edits {params.shards:q} --films {input.films:q} "
        "--table {input.table:q} --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule draw_forms:
    input:
        tell(EDITING.films),
        tell(EDITING.drawn),
    output:
        collect(f"{EDITING.asked}/{{file}}", file=EDITING.form_files),
    log:
        "results/logs/draw_forms/edits.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("draw_forms"),
        config=to_json(EDITING.questionnaire("films", "pairs", "shared_share", "repeat_share", "questions")),
        raters=CONFIG["feedback"]["raters"],
        shards=EDITING.shards(EDITING.own["ways"][0]),
        cohort=EDITING.cohort,
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
        out=tell(lambda: EDITING.asked),
    message:
        "Draw the forms that raters answer"
    shell:
        "python -m scripts.draw_forms --edits {params.shards:q} --cohort {params.cohort:q} --target {params.target} "
        "--config {params.config:q} --raters {params.raters:q} --seed {params.seed} --threads {threads} --out {params.out:q} "
        "> {log:q} 2>&1"


rule simulate_answers:
    input:
        tell(EDITING.films),
        collect(f"{EDITING.asked}/{{file}}", file=EDITING.form_files),
    output:
        f"{EDITING.asked}/simulated.jsonl",
    log:
        "results/logs/simulate_answers/edits.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=lasting(60),
    params:
        code=code("simulate_answers"),
        config=to_json(EDITING.questionnaire("simulation")),
        forms=tell(lambda: EDITING.asked),
        cohort=EDITING.cohort,
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
    message:
        "Simulate the answers of raters"
    shell:
        "python -m scripts.simulate_answers --forms {params.forms:q} --cohort {params.cohort:q} --target {params.target} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule tabulate_answers:
    input:
        collect(f"{EDITING.asked}/{{file}}", file=EDITING.form_files),
        answers=tell(EDITING.answers),
    output:
        shares=f"{EDITING.asked}/shares.csv",
        agreement=f"{EDITING.asked}/agreement.csv",
    log:
        "results/logs/tabulate_answers/edits.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("tabulate_answers"),
        config=to_json(EDITING.questionnaire("draws")),
        forms=tell(lambda: EDITING.asked),
        simulated="--simulated" if EDITING.is_simulated() else "",
        seed=STUDY.seed,
    message:
        "Read the answers of raters into tables"
    shell:
        "python -m scripts.tabulate_answers --answers {input.answers:q} --forms {params.forms:q} --config {params.config:q} "
        "{params.simulated} --seed {params.seed} --threads {threads} --out-shares {output.shares:q} "
        "--out-agreement {output.agreement:q} > {log:q} 2>&1"
