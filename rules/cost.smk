# What the study cost beside what `make plan` said, in seconds by the clock. On demand alone, of all that has been made so far:
# snakemake cost. `measured` is when the newest benchmark file was written, so that a further run is compared too; `overlays` are
# the configuration files of the command line, which Snakemake lists before config.yaml.
rule compare_cost:
    input:
        "results/figure2.pdf",
    output:
        csv="results/cost.csv",
        png="results/cost.png",
    log:
        "results/logs/compare_cost/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("compare_cost"),
        machine=CONFIG["compute"]["machine"],
        measured=lambda wildcards: max(
            (int(file.stat().st_mtime) for file in Path("results/benchmarks").glob("*/*.tsv")), default=0
        ),
        overlays=lambda wildcards: [
            str(file)
            for file in workflow.configfiles
            if Path(file).resolve() != Path(workflow.basedir, "config.yaml").resolve()
        ],
    message:
        "Compare plan and cost"
    shell:
        "python -m scripts.compare_cost --machine {params.machine} --configfile {params.overlays:q} --results results "
        "--out-csv {output.csv:q} --out {output.png:q} > {log:q} 2>&1"


rule cost:
    input:
        "results/cost.csv",
        "results/cost.png",
    localrule: True
