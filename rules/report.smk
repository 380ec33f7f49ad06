# The page that answers. It waits for what `all` builds and takes in whatever other table or picture lies in results/
# (study/reported.py), so it makes no run longer; `make report` writes it anew once more has been measured.
from scripts.lib.study.reported import found_beside, look, needed


rule write_report:
    input:
        tell(needed, STUDY),
    output:
        page="results/report.html",
        record="results/report.json",
        guidelines="results/guidelines.md",
    log:
        "results/logs/write_report/study.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("write_report"),
        look=look(),
        config=lambda wildcards: to_json(CONFIG),
        # Not by way of `input`: Snakemake compares no parameter that is made from it.
        beside=tell(lambda: found_beside(Path("results"), needed(STUDY))),
    message:
        "Write the report"
    shell:
        "python -m scripts.write_report --results results --config {params.config:q} --out {output.page:q} "
        "--record {output.record:q} --guidelines {output.guidelines:q} > {log:q} 2>&1"
