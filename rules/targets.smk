# What can be asked for by name beside `all`, which stands in the Snakefile: `snakemake --cores 2 figures`.
rule figure3:
    input:
        "results/figure3.pdf",
        tell(SHOWN.scored_reports),
    localrule: True


rule masks:
    input:
        tell(STUDY.mask_tables),
    localrule: True


rule rated_sets:
    input:
        "results/feedback/assignments.parquet",
        tell(SHOWN.rated_files),
    localrule: True


rule figures:
    input:
        collect("results/figure{number}.pdf", number=[1, 2, 3, 4]),
        "results/table1.md",
        "results/feedback/agreement.csv",
    localrule: True


rule evidence:
    input:
        collect("results/tables/{table}.csv", table=["fidelity", "memorisation"]),
        tell(FIDELITY.pictures),
        "results/tables/equivalence.csv",
        "results/equivalence.png",
        "results/tables/subgroups.csv",
        "results/tables/calibration.csv",
        "results/calibration.png",
        "results/failures.png",
    localrule: True
