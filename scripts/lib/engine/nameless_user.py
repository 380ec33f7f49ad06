"""A user whom the machine has no name or home for, as in a container that runs under a number alone. Standard library only."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


def name_user() -> None:
    """Give this process and its children USER and HOME where neither the environment nor the system has them.

    torch asks for the user's name and Snakemake and Hugging Face for the home; both end with a traceback without one.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["USER"] = f"uid-{os.getuid()}"
    try:
        Path.home()
    except (RuntimeError, KeyError):
        # Nothing is kept there; a folder of this user alone, so that nobody else's caches are read.
        os.environ["HOME"] = tempfile.mkdtemp(prefix=f"synthorax-home-{os.getuid()}-")
