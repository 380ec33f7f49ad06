# The reading study: are images authentic, and their masks useful? Half of the films are real; forms, log and tables are those of
# the questionnaire (rules/edits.smk).
from scripts.lib.study.reading import Reading

READING = Reading(STUDY)


rule sample_reading:
    input:
        tell(READING.files),
    output:
        READING.forms,
    log:
        "results/logs/sample_reading/reading.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("sample_reading"),
        config=to_json(READING.settings("films", "told", "shared_share", "repeat_share", "questions")),
        raters=CONFIG["feedback"]["raters"],
        pool=tell(READING.shards),
        cohort=tell(lambda: READING.cohort),
        seed=STUDY.seed,
        out=tell(lambda: READING.folder),
    message:
        "Draw the films that readers see"
    shell:
        "python -m scripts.sample_reading --pool {params.pool:q} --cohort {params.cohort:q} --config {params.config:q} "
        "--raters {params.raters:q} --seed {params.seed} --threads {threads} --out {params.out:q} > {log:q} 2>&1"


rule simulate_reading:
    input:
        READING.forms,
        collect(f"{READING.cohort}/{{file}}", file=["index.parquet", "cohort.json", "images.npy", "masks.npy"]),
    output:
        f"{READING.folder}/simulated.jsonl",
    log:
        "results/logs/simulate_reading/reading.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=lasting(60),
    params:
        code=code("simulate_reading"),
        config=to_json(READING.settings("simulation")),
        forms=tell(lambda: READING.folder),
        cohort=tell(lambda: READING.cohort),
        seed=STUDY.seed,
    message:
        "Simulate the answers of readers"
    shell:
        "python -m scripts.simulate_reading --forms {params.forms:q} --cohort {params.cohort:q} --config {params.config:q} "
        "--seed {params.seed} --threads {threads} --out {output:q} > {log:q} 2>&1"


use rule tabulate_answers as measure_reading with:
    input:
        READING.forms,
        answers=tell(READING.answers),
    output:
        shares=f"{READING.folder}/shares.csv",
        agreement=f"{READING.folder}/agreement.csv",
    log:
        "results/logs/tabulate_answers/reading.log",
    params:
        code=code("tabulate_answers"),
        config=to_json(READING.settings("draws")),
        forms=tell(lambda: READING.folder),
        simulated="--simulated" if READING.is_simulated() else "",
        seed=STUDY.seed,
    message:
        "Read the answers of readers into tables"


rule plot_reading:
    input:
        shares=f"{READING.folder}/shares.csv",
        agreement=f"{READING.folder}/agreement.csv",
    output:
        collect("results/reading.{kind}", kind=["pdf", "png", "svg"]),
    log:
        "results/logs/plot_reading/reading.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(30),
    params:
        code=code("plot_reading"),
        config=to_json({key: CONFIG["figures"][key] for key in ("width_mm", "dpi")}),
    message:
        "Plot what readers said"
    shell:
        "python -m scripts.plot_reading --shares {input.shares:q} --agreement {input.agreement:q} --config {params.config:q} "
        "--threads {threads} --out {output:q} > {log:q} 2>&1"
