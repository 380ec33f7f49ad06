import signal

from snakemake.exceptions import WorkflowError

from scripts.lib.core.errors import InputError
from scripts.lib.engine.launch import launch_prefix
from scripts.lib.engine.slurm import check_arrays, check_partitions, cluster_partitions
from scripts.lib.engine.start import begin_jobs
from scripts.lib.engine.heartbeat import begin_heartbeat

GPUS = CONFIG["compute"]["gpus"]
LONGEST_JOB = CONFIG["compute"]["longest_job"]
ONE_GPU = min(1, GPUS)
# Two threads train the small networks of a processor 1.0 to 1.35 times as fast, while the other core has other jobs to do.
TRAINING_THREADS = 2 if GPUS else 1
if not GPUS:
    # Without leases jobs would crowd on the first GPU that they see.
    os.environ.update(CUDA_VISIBLE_DEVICES="")
if not workflow.is_main_process:
    # A scheduler sends the signal that announces the end of a job to all its processes. It is meant for the training,
    # which stores its state; this process has to live until that is done. (Trainings set a handler of their own.)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def growing(amount):
    """A resources function: as much again at each attempt, so that a retry outlives a limit that ended the job."""

    @signed
    def resource(wildcards, attempt):
        return amount * attempt

    return resource


def lasting(minutes):
    """A resources function: minutes that grow in the same way, up to what a partition allows."""

    @signed
    def resource(wildcards, attempt):
        return min(minutes * attempt, LONGEST_JOB)

    return resource


@signed
def cpus_of_several(wildcards, threads):
    """A resources function: the CPUs of a training that runs one process of so many threads on each of its GPUs."""
    return threads * max(1, GPUS)


def launch(wildcards, resources):
    """A params function: how the command of a job begins that takes one GPU, or none.

    A function of `resources`, so Snakemake does not redo a job because of the number of GPUs.
    """
    return launched(resources)


def launch_several(wildcards, resources, threads):
    """A params function: the same for a training that divides its work among all GPUs of the job."""
    return launched(resources, threads=threads, several=True)


@signed
def launch_trials(wildcards, resources):
    """A params function: the same for trials, which may share a GPU."""
    return launched(resources, share=CONFIG["compute"]["trials_per_gpu"])


def launched(resources, **options):
    # exec: a shell in between would die of the signal that tells the job to make way, and take the job with it.
    try:
        return "exec " + launch_prefix(GPUS, resources.get("gpu", 0), **options)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def check_slurm():
    """Hold what the jobs ask for against the SLURM cluster, before any job; raises InputError."""
    settings = workflow.executor_settings
    if not hasattr(settings, "array_jobs"):
        return
    wanted = {}
    for rule, job in {job.rule: job for job in workflow.dag.needrun_jobs() if not job.is_local}.items():
        resources = job.resources
        if name := resources.get("slurm_partition"):
            wanted[name] = max(wanted.get(name, 0), resources.get("runtime", 0))
    check_arrays(settings.array_jobs, None if workflow.nodes == sys.maxsize else workflow.nodes)
    check_partitions(wanted, LONGEST_JOB, cluster_partitions() if wanted else {})


onstart:
    one_line(begin_jobs, ALIVE, workflow)
    one_line(check_slurm)
    begin_heartbeat(ALIVE, workflow, CONFIG)
