# Experts that vote on the images of an arm (filter `experts`): classifier and segmenter are judges, copies are the memory filter's.
from scripts.lib.study.experting import Experting

EXPERTING = Experting(STUDY)


use rule judge_pool as judge_expert with:
    input:
        judge=ask(EXPERTING.judge),
        pool=ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/expert-{expert}.parquet",
    log:
        "results/logs/judge_pool/{dataset}_{arm}_{fraction}_{expert}.log",
    benchmark:
        "results/benchmarks/judge_pool/{dataset}_{arm}_{fraction}_{expert}.tsv"
    wildcard_constraints:
        expert="|".join(["classifier", "segmenter", *CONFIG["experts"]["own"]]),
    params:
        launch=launch,
        code=code("judge_pool"),
        config=settings_of("faithfulness", "device", "precision"),
        pool=ask(STUDY.shards),
        shows=ask(EXPERTING.shown),
        most=0,
    message:
        "Ask the {wildcards.expert} of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"


# An expert from elsewhere is validated on the real films that teach the study's own judges.
rule judge_films:
    input:
        ask(EXPERTING.own_files),
        judge=ask(EXPERTING.judge),
    output:
        "results/{dataset}/experts/{expert}.parquet",
    log:
        "results/logs/judge_films/{dataset}_{expert}.log",
    benchmark:
        "results/benchmarks/judge_films/{dataset}_{expert}.tsv"
    wildcard_constraints:
        expert="|".join(CONFIG["experts"]["own"]) or "-",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(240),
    params:
        launch=launch,
        code=code("judge_films"),
        config=settings_of("faithfulness", "device", "precision"),
        cohort=ask(EXPERTING.own_films),
        split=ask(EXPERTING.own_split),
        shows=ask(EXPERTING.shown),
    message:
        "Ask the {wildcards.expert} of real films of {wildcards.dataset}"
    shell:
        "{params.launch} -m scripts.judge_films --judge {input.judge:q} --cohort {params.cohort:q} --split {params.split} "
        "--shows {params.shows} --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule score_realism:
    input:
        tell(FIDELITY.models),
        ask(EXPERTING.realism_films),
        pool=ask(STUDY.shard_files),
        images=ask(FIDELITY.source_features),
        films=ask(EXPERTING.realism_features),
    output:
        images="results/{dataset}/pools/{arm}/fraction-{fraction}/expert-realism.parquet",
        films="results/{dataset}/pools/{arm}/fraction-{fraction}/films-realism.parquet",
    log:
        "results/logs/score_realism/{dataset}_{arm}_{fraction}.log",
    benchmark:
        "results/benchmarks/score_realism/{dataset}_{arm}_{fraction}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(3000),
        runtime=lasting(240),
    params:
        launch=launch,
        code=code("score_realism"),
        config=settings_of("fidelity", "nearest", "batch_size", "device", "precision"),
        pool=ask(STUDY.shards),
        dataset=ask(EXPERTING.realism_cohort),
        split=ask(EXPERTING.realism_split),
        network=CONFIG["memorisation"]["features"],
        proxy=STUDY.proxy(),
    message:
        "Ask how real {wildcards.dataset} {wildcards.arm} at {wildcards.fraction} looks"
    shell:
        "{params.launch} -m scripts.score_realism --pool {params.pool:q} --pool-features {input.images:q} "
        "--cohort results/{params.dataset}/cohort --cohort-features {input.films:q} --split {params.split} "
        "--network {params.network:q} --proxy {params.proxy:q} --config {params.config:q} --threads {threads} "
        "--out {output.images:q} --out-films {output.films:q} > {log:q} 2>&1"


rule ask_proxy:
    input:
        tell(STUDY.proxy_folder),
        ask(STUDY.shard_files),
    output:
        "results/{dataset}/pools/{arm}/fraction-{fraction}/expert-proxy.parquet",
    log:
        "results/logs/ask_proxy/{dataset}_{arm}_{fraction}.log",
    benchmark:
        "results/benchmarks/ask_proxy/{dataset}_{arm}_{fraction}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("ask_proxy"),
        config=stage("ask_proxy"),
        model=tell(STUDY.proxy),
        store=ask(STUDY.shards),
        split="",
        labels=ask(EXPERTING.proxy_labels),
    message:
        "Ask the proxy model of {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "{params.launch} -m scripts.ask_proxy --model {params.model:q} --store {params.store:q} {params.split} "
        "--labels {params.labels} --config {params.config:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


use rule ask_proxy as ask_proxy_of_films with:
    input:
        tell(STUDY.proxy_folder),
        tell(EXPERTING.proxy_films),
    output:
        "results/{dataset}/experts/proxy.parquet",
    log:
        "results/logs/ask_proxy/{dataset}.log",
    benchmark:
        "results/benchmarks/ask_proxy/{dataset}.tsv"
    params:
        launch=launch,
        code=code("ask_proxy"),
        config=stage("ask_proxy"),
        model=tell(STUDY.proxy),
        store=f"results/{CONFIG['proxy']['validation']['dataset']}/cohort",
        split=f"--split {CONFIG['proxy']['validation']['split']}",
        labels=ask(EXPERTING.proxy_labels),
    message:
        "Ask the proxy model of the real films that validate it for {wildcards.dataset}"


rule vote_pool:
    input:
        ask(EXPERTING.said_files),
        pool=ask(STUDY.shard_files),
    output:
        kept="results/{dataset}/pools/{arm}/fraction-{fraction}/voted.parquet",
        votes="results/{dataset}/pools/{arm}/fraction-{fraction}/votes.parquet",
        validation="results/{dataset}/pools/{arm}/fraction-{fraction}/experts.csv",
        acceptance="results/{dataset}/pools/{arm}/fraction-{fraction}/acceptance.csv",
        agreement="results/{dataset}/pools/{arm}/fraction-{fraction}/agreement.csv",
        diversity="results/{dataset}/pools/{arm}/fraction-{fraction}/diversity.csv",
    log:
        "results/logs/vote_pool/{dataset}_{arm}_{fraction}.log",
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=lasting(60),
    params:
        code=code("vote_pool"),
        config=as_text(EXPERTING.settings()),
        pool=ask(STUDY.shards),
        experts=ask(EXPERTING.options),
        others=optional(structure=ask(EXPERTING.structure), nearest=ask(EXPERTING.nearest), floor=ask(EXPERTING.floor)),
        seed=STUDY.seed,
    message:
        "Let experts vote on {wildcards.dataset} {wildcards.arm} at {wildcards.fraction}"
    shell:
        "python -m scripts.vote_pool --pool {params.pool:q} {params.experts:q} {params.others} "
        "--dataset {wildcards.dataset} --arm {wildcards.arm} --fraction {wildcards.fraction} --config {params.config:q} "
        "--seed {params.seed} --threads {threads} --votes {output.votes:q} --validation {output.validation:q} "
        "--acceptance {output.acceptance:q} --agreement {output.agreement:q} --diversity {output.diversity:q} "
        "--out {output.kept:q} > {log:q} 2>&1"
