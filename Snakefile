# Synthorax: does synthetic data help my chest X-ray model, by how much, and can I trust the answer?
#
# results/
#   phantom/{dataset}/                              raw tree in the dataset's true format     write_phantom
#   {dataset}/cohort/                               decoded images, masks, index              prepare_cohort
#   {dataset}/subsets.parquet                       patient-level ranks of every trial        draw_subsets
#   {dataset}/conditions/{arm}/fraction-{f}.parquet one row an image to make                  build_conditions
#   generators/base/                                the frozen foundation model               train_base
#   generators/controlnet/                          the mask branch on top of it              train_controlnet
#   {dataset}/pools/{arm}/fraction-{f}/shard-{k}/   synthetic images, same form as a cohort   sample_pool
#   {dataset}/pools/{arm}/fraction-{f}/sheet.png    a sheet of samples for the eye            draw_sheet
#   proxy/model/  proxy/validation.csv              the proxy model and what it is worth      train_proxy
#   {dataset}/pools/{arm}/fraction-{f}/kept.parquet what the proxy model keeps of a pool      filter_pool
#   generators/proxy-tuned/                         the generator trained further on that     finetune_generator
#   feedback/{captions,sets,assignments}.parquet     what radiologists are shown               sample_rating_sets
#   feedback/pool/shard-{k}/  feedback/simulated.jsonl   rated films, simulated raters        simulate_ratings
#   mgca/                                           image encoder matched with reports        pretrain_mgca
#   {dataset}/trials/{arm}/fraction-{f}/            one table a trial, a row a metric         train_trials
#   {dataset}/{trials,baselines,summary}.csv        the dataset's results                     summarize_dataset
#   tables/{trials,baselines,significance,trend,figure2}.csv                                  compare_arms
#   tables/{figure3_trials,figure3_significance,figure3}.csv                                  tabulate_figure3
#   cost.{csv,png}                                  planned and measured cost of each stage   compare_cost
#   table1.{csv,md}  figure2.{pdf,png,svg}  figure3.{pdf,png,svg}                             plot_figure2
import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")

# Jobs run `python -m scripts.x`: from any --directory, with the interpreter that runs Snakemake. OpenMP threads that have
# nothing to do sleep, so that more jobs than cores do not spin against each other; where no job has to share its cores they
# first look for work a moment longer (a training on two threads then takes a seventh less time). glibc keeps freed memory for
# the next tensor instead of giving it back, and asks for huge pages: the kernel would clear every small page again (7 % and
# 5 % of the time of sampling).
ALONE = (workflow.resource_settings.cores or 0) in range(1, (os.cpu_count() or 1) + 1)
os.environ.update(
    PYTHONPATH=str(workflow.basedir),
    SYNTHORAX_ROOT=str(workflow.basedir),  # for the commands of profiles/generic
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
    OMP_WAIT_POLICY="PASSIVE",
    GOMP_SPINCOUNT="1000" if ALONE else "0",
    GLIBC_TUNABLES="glibc.malloc.hugetlb=1",
    MALLOC_MMAP_THRESHOLD_=str(2**30),
    MALLOC_TRIM_THRESHOLD_=str(2**32),
)


configfile: os.path.join(workflow.basedir, "config.yaml")


include: "rules/speed.smk"
include: "rules/common.smk"
include: "rules/compute.smk"
include: "rules/pools.smk"
include: "rules/cells.smk"
include: "rules/cohorts.smk"
include: "rules/conditions.smk"
include: "rules/generators.smk"
include: "rules/sampling.smk"
include: "rules/filtering.smk"
include: "rules/feedback.smk"
include: "rules/trials.smk"
include: "rules/figures.smk"
include: "rules/cost.smk"


onstart:
    one_line(begin_jobs, ALIVE, workflow)
    one_line(check_slurm)


# Jobs write to log files: what the cohorts of this run lack is told at its end, by the process that the user sees.
onsuccess:
    tell_cohorts(cohorts_of(workflow.dag))


onerror:
    tell_cohorts(cohorts_of(workflow.dag))


rule all:
    default_target: True
    input:
        "results/figure2.pdf",
        "results/table1.md",
        "results/tables/trend.csv",
        collect("results/{dataset}/summary.csv", dataset=STUDY["datasets"]),
        pool_sheets(),
    localrule: True


rule figure3:
    input:
        "results/figure3.pdf",
        lambda wildcards: [f"{pool_of(figure3_cell())}/{name}" for name in ("kept.png", "report.md")],
    localrule: True


rule rated_sets:
    input:
        "results/feedback/assignments.parquet",
        rated_files,
    localrule: True


rule figures:
    input:
        collect("results/figure{number}.pdf", number=[1, 2, 3, 4]),
        "results/table1.md",
        "results/feedback/agreement.csv",
    localrule: True


rule cost:
    input:
        "results/cost.csv",
        "results/cost.png",
    localrule: True
