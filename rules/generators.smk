rule train_base:
    input:
        collect("results/{dataset}/cohort/cohort.json", dataset=STUDY.foundation),
        collect("results/{dataset}/cohort/images.npy", dataset=STUDY.foundation),
        collect("results/{dataset}/cohort/index.parquet", dataset=STUDY.foundation),
    output:
        directory("results/generators/base"),
    log:
        "results/logs/train_base/base.log",
    benchmark:
        "results/benchmarks/train_base/base.tsv"
    priority: 100
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
        code=code("train_base"),
        config=stage("base"),
        cohorts=collect("results/{dataset}/cohort", dataset=STUDY.foundation),
        templates=foundation_templates,
        seed=STUDY.seed,
        resolution=STUDY.resolution,
        checkpoints="results/checkpoints/train_base",
    message:
        "Train the foundation model (autoencoder, text encoder, U-Net)"
    shell:
        "{params.launch} -m scripts.train_base --cohorts {params.cohorts:q} --templates {params.templates:q} --config {params.config:q} --seed {params.seed} --resolution {params.resolution} "
        "--threads {threads} --checkpoint-dir {params.checkpoints:q} --out {output:q} > {log:q} 2>&1"


rule train_controlnet:
    input:
        base=tell(STUDY.base),
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        images=f"results/{STUDY.generator_dataset}/cohort/images.npy",
        masks=f"results/{STUDY.generator_dataset}/cohort/masks.npy",
    output:
        directory("results/generators/controlnet"),
    log:
        "results/logs/train_controlnet/controlnet.log",
    benchmark:
        "results/benchmarks/train_controlnet/controlnet.tsv"
    priority: 90
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
        code=code("train_controlnet"),
        config=stage("controlnet"),
        cohort=subpath(input.index, parent=True),
        words="",
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_controlnet",
    message:
        "Train the ControlNet on masks"
    shell:
        "{params.launch} -m scripts.train_controlnet --base {input.base:q} --cohort {params.cohort:q} {params.words} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} "
        "--out {output:q} > {log:q} 2>&1"


# With the words of what the masks show. Its folder is its own, so that it stands beside the ControlNet of another study.
use rule train_controlnet as train_controlnet_findings with:
    output:
        directory("results/generators/controlnet-findings"),
    log:
        "results/logs/train_controlnet/controlnet-findings.log",
    benchmark:
        "results/benchmarks/train_controlnet/controlnet-findings.tsv"
    params:
        launch=launch_several,
        code=code("train_controlnet"),
        config=stage("controlnet"),
        cohort=subpath(input.index, parent=True),
        words="--words",
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_controlnet_findings",
    message:
        "Train the ControlNet on masks of several findings and their words"
