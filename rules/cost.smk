# What the study cost beside what `make plan` said. On demand alone, and of the figures that were made: snakemake cost
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
        overlays=lambda wildcards: [str(path) for path in workflow.configfiles[1:]],
    message:
        "Compare plan and cost"
    shell:
        "python -m scripts.compare_cost --machine {params.machine} --configfile {params.overlays:q} --results results "
        "--targets all results/figure2.pdf --out-csv {output.csv:q} --out {output.png:q} > {log:q} 2>&1"
