# The class-conditional latent diffusion model, and what guidance and solver steps change of its images. Its trainings have two threads on a
# processor, too: nearly all of its study waits for them.
from scripts.lib.study.search_space import class_settings


rule train_class_autoencoder:
    input:
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        images=f"results/{STUDY.generator_dataset}/cohort/images.npy",
    output:
        directory("results/generators/class-autoencoder"),
    log:
        "results/logs/train_class_autoencoder/class-ldm.log",
    benchmark:
        "results/benchmarks/train_class_autoencoder/class-ldm.tsv"
    priority: 95
    conda:
        "../envs/main.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        cpus_per_task=cpus_of_several,
        mem_mb=growing(4000),
        runtime=lasting(2880),
    params:
        launch=launch_several,
        code=code("train_class_autoencoder"),
        config=tell(lambda: as_text(class_settings(CONFIG, "autoencoder"))),
        cohort=subpath(input.index, parent=True),
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_class_autoencoder",
    message:
        "Train the autoencoder of the class-conditional model"
    shell:
        "{params.launch} -m scripts.train_class_autoencoder --cohort {params.cohort:q} --target {params.target} "
        "--config {params.config:q} --seed {params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} "
        "--out {output:q} > {log:q} 2>&1"


rule train_class_ldm:
    input:
        best=["results/search/best.json"] if CONFIG["class_ldm"]["from_search"] else [],
        autoencoder="results/generators/class-autoencoder",
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        images=f"results/{STUDY.generator_dataset}/cohort/images.npy",
    output:
        directory("results/generators/class-ldm"),
    log:
        "results/logs/train_class_ldm/class-ldm.log",
    benchmark:
        "results/benchmarks/train_class_ldm/class-ldm.tsv"
    priority: 90
    conda:
        "../envs/main.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        cpus_per_task=cpus_of_several,
        mem_mb=growing(4000),
        runtime=lasting(2880),
    params:
        launch=launch_several,
        code=code("train_class_ldm"),
        config=tell(lambda: as_text(class_settings(CONFIG, "unet"))),
        best="--best results/search/best.json" if CONFIG["class_ldm"]["from_search"] else "",
        cohort=subpath(input.index, parent=True),
        target=tell(STUDY.generator_target),
        seed=STUDY.seed,
        checkpoints="results/checkpoints/train_class_ldm",
    message:
        "Train the class-conditional model"
    shell:
        "{params.launch} -m scripts.train_class_ldm --autoencoder {input.autoencoder:q} --cohort {params.cohort:q} --target {params.target} "
        "--config {params.config:q} {params.best} --seed {params.seed} --threads {threads} --checkpoint-dir {params.checkpoints:q} "
        "--out {output:q} > {log:q} 2>&1"


rule sweep_sampling:
    input:
        generator="results/generators/class-ldm",
        index=f"results/{STUDY.generator_dataset}/cohort/index.parquet",
        meta=f"results/{STUDY.generator_dataset}/cohort/cohort.json",
        images=f"results/{STUDY.generator_dataset}/cohort/images.npy",
    output:
        "results/generators/sweep.csv",
    log:
        "results/logs/sweep_sampling/class-ldm.log",
    benchmark:
        "results/benchmarks/sweep_sampling/class-ldm.tsv"
    conda:
        "../envs/main.yaml"
    threads: 1
    resources:
        gpu=ONE_GPU,
        mem_mb=growing(4000),
        runtime=lasting(720),
    params:
        launch=launch,
        code=code("sweep_sampling"),
        sampling=stage("sampling"),
        config=to_json({**CONFIG["sweep"], **{key: CONFIG["fidelity"][key] for key in ("nearest", "batch_size")}}),
        cohort=subpath(input.index, parent=True),
        target=tell(STUDY.generator_target),
        splits=CONFIG["fidelity"]["splits"],
        seed=STUDY.seed,
    message:
        "Sweep guidance and solver steps"
    shell:
        "{params.launch} -m scripts.sweep_sampling --generator {input.generator:q} --cohort {params.cohort:q} "
        "--target {params.target} --splits {params.splits} --sampling {params.sampling:q} --config {params.config:q} "
        "--seed {params.seed} --threads {threads} --out {output:q} > {log:q} 2>&1"


rule plot_sweep:
    input:
        "results/generators/sweep.csv",
    output:
        "results/sweep.pdf",
        report(
            "results/sweep.png",
            caption="../report/sweep.rst",
            category="Figures",
            labels={"figure": "sweep", "shows": "Guidance and solver steps"},
        ),
        "results/sweep.svg",
    log:
        "results/logs/plot_sweep/class-ldm.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("plot_sweep"),
        config=to_json({key: CONFIG["figures"][key] for key in ("width_mm", "dpi")}),
    message:
        "Plot the sweep of guidance and solver steps"
    shell:
        "python -m scripts.plot_sweep --table {input:q} --config {params.config:q} --out {output:q} > {log:q} 2>&1"
