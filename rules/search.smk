# A search among the settings of the class-conditional model: rounds of proposals, each a small file, so that an unchanged one
# is never trained again.
from scripts.lib.study.search_space import Search

SEARCH = Search(STUDY)


rule propose_round:
    input:
        ask(SEARCH.earlier),
    output:
        collect("results/search/round-{round}/proposal-{place}.json", place=SEARCH.places, allow_missing=True),
    log:
        "results/logs/propose_round/{round}.log",
    wildcard_constraints:
        round="[0-9]+",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("propose_round"),
        config=tell(lambda: to_json(SEARCH.settings())),
        scores=optional(scores=ask(SEARCH.earlier)),
        seed=STUDY.seed,
    message:
        "Propose round {wildcards.round} of the search"
    shell:
        "python -m scripts.propose_round --round {wildcards.round} {params.scores} --config {params.config:q} "
        "--seed {params.seed} --out {output:q} > {log:q} 2>&1"


rule train_proposal:
    input:
        proposal="results/search/round-{round}/proposal-{place}.json",
        autoencoder="results/generators/class-autoencoder",
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        images=f"results/{STUDY.generator_dataset}/cohort/images.npy",
    output:
        "results/search/round-{round}/score-{place}.json",
    log:
        "results/logs/train_proposal/{round}_{place}.log",
    benchmark:
        "results/benchmarks/train_proposal/{round}_{place}.tsv"
    wildcard_constraints:
        round="[0-9]+",
        place="[0-9]+",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("train_proposal"),
        config=tell(lambda: as_text(SEARCH.proposal_settings())),
        cohort=subpath(input.index, parent=True),
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_proposal/{round}-{place}",
    message:
        "Train proposal {wildcards.place} of round {wildcards.round}"
    shell:
        "{params.launch} -m scripts.train_proposal --proposal {input.proposal:q} --autoencoder {input.autoencoder:q} "
        "--cohort {params.cohort:q} --target {params.target} --config {params.config:q} --seed {params.seed} "
        "--threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule summarize_search:
    input:
        tell(SEARCH.scores),
    output:
        history="results/search/history.csv",
        best="results/search/best.json",
        importance="results/search/importance.csv",
    log:
        "results/logs/summarize_search/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("summarize_search"),
        config=tell(lambda: to_json(SEARCH.settings())),
        seed=STUDY.seed,
    message:
        "Summarize the search"
    shell:
        "python -m scripts.summarize_search --scores {input:q} --config {params.config:q} --seed {params.seed} "
        "--out-history {output.history:q} --out-best {output.best:q} --out-importance {output.importance:q} > {log:q} 2>&1"


rule plot_search:
    input:
        history="results/search/history.csv",
        importance="results/search/importance.csv",
    output:
        report(
            "results/search/search.png",
            caption="../report/search.rst",
            category="Figures",
            labels={"figure": "search", "shows": "The search"},
        ),
    log:
        "results/logs/plot_search/all.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_search"),
        config=to_json({key: CONFIG["figures"][key] for key in ("width_mm", "dpi")}),
    message:
        "Plot the search"
    shell:
        "python -m scripts.plot_search --history {input.history:q} --importance {input.importance:q} "
        "--config {params.config:q} --out {output:q} > {log:q} 2>&1"
