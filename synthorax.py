"""Synthorax in a notebook or script: open films, pools and generators, and compare trials.

    >>> import synthorax
    >>> films = synthorax.open_cohort("results/siim/cohort")
    >>> films
    Cohort of 523 films, 64 x 64 pixels, labels pneumothorax, masks of pneumothorax (results/siim/cohort)
    >>> films[0].image.shape
    (64, 64)

docs/python.md has an example of each function, and what else the library offers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.generators.solving import Sampler

__all__ = ["Generator", "InputError", "compare", "open_cohort", "open_generator", "open_pool"]
CONFIG = Path(__file__).resolve().parent / "config.yaml"


def open_cohort(folder: str | Path) -> Cohort:
    """Open the prepared films of a dataset, results/DATASET/cohort; pixels stay on the disk until they are asked for.

    Raises InputError, one line, for a folder that is no cohort.

        >>> films = open_cohort("results/siim/cohort")
        >>> films[0].labels
        {'pneumothorax': 1}
    """
    from scripts.lib.cohort.store import Cohort

    return Cohort.open(folder)


def open_pool(folder: str | Path) -> Cohort:
    """Open all images of a pool, results/DATASET/pools/ARM/PART, its shards in their order; `kept` filters are not applied.

    Raises InputError, one line, for a folder that is no pool.

        >>> images = open_pool("results/siim/pools/original/fraction-0.1")
        >>> images.index["synthetic"].all()
        True
    """
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.pools.places import pool_place

    return Cohort.open(pool_place(Path(folder)).shards)


class Generator:
    """A generator that is ready to make images; `open_generator` returns one."""

    def __init__(self, sampler: Sampler, structures: Sequence[str]) -> None:
        self._sampler = sampler
        self.structures = tuple(structures)

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self._sampler.model.resolution

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configurations: what an image's identity names."""
        return self._sampler.model.fingerprint

    def __repr__(self) -> str:
        return f"Generator of {self.resolution} x {self.resolution} pixels, fingerprint {self.fingerprint}"

    def sample(
        self,
        prompts: Sequence[str] | None = None,
        masks: np.ndarray | None = None,
        labels: Sequence[Mapping[str, int | None]] | None = None,
        sample: int = 0,
    ) -> np.ndarray:
        """Return one image for each condition, uint8 (n, H, W): the same condition, sample and seed give the same pixels.

        prompts  texts, for a generator of texts
        masks    uint8 (n, H, W) bit fields, bit k for structure k, as `Cohort.masks` returns; with or without prompts
        labels   {label: 1, 0 or None}, for a generator of classes
        sample   number of the repeat: another one is another image of the same condition
        Raises InputError, one line, for lists of different lengths, for none, and for what this generator cannot do.
        """
        given = {"prompts": prompts, "masks": masks, "labels": labels}
        lengths = {name: len(one) for name, one in given.items() if one is not None}
        if not lengths or len(set(lengths.values())) > 1 or 0 in lengths.values():
            raise InputError(f"sample: expected prompts, masks or labels, as many of each; got {lengths or 'none'}")
        from scripts.lib.core.seeds import content_hash
        from scripts.lib.generators.protocol import ImageRequest

        requests = []
        for k in range(next(iter(lengths.values()))):
            prompt = None if prompts is None else str(prompts[k])
            bits = None if masks is None else masks[k]
            known = None if labels is None else dict(labels[k])
            name = content_hash(prompt, None if bits is None else bits.tobytes().hex(), known)
            requests.append(ImageRequest(name, sample, prompt, bits, known))
        return self._sampler.images(requests)


def open_generator(
    folder: str | Path,
    seed: int = 1,
    structures: Sequence[str] = (),
    sampling: Mapping[str, Any] | None = None,
    **changed: Any,
) -> Generator:
    """Open a generator, results/generators/NAME, of whatever kind it is.

    seed        seed of the noise
    structures  names of the masks' bits, `Cohort.structures`; needed for masks
    sampling    section `sampling` of a configuration; left out, that of config.yaml beside this file
    changed     single keys of it: open_generator(folder, steps=20, guidance=4)
    Raises InputError, one line, for a folder that is no generator, a key that is not known, and where there is no configuration.

        >>> generator = open_generator("results/generators/base", steps=5)
        >>> generator.sample(["pneumonia", "normal"]).shape
        (2, 64, 64)
    """
    from scripts.lib.generators.kinds import open_kind
    from scripts.lib.generators.solving import Sampler
    from scripts.lib.training.settings import Section

    settings = dict(_sampling() if sampling is None else sampling)
    if unknown := sorted(set(changed) - set(settings)):
        raise InputError(f"open_generator: no setting {', '.join(unknown)}; section sampling has {', '.join(settings)}")
    section = Section({**settings, **changed}, "sampling")
    model = open_kind(Path(folder))(list(structures), section)
    return Generator(Sampler(model, section, seed), structures)


def _sampling() -> dict[str, Any]:
    if not CONFIG.is_file():
        raise InputError(
            f"{CONFIG}: no such file; give open_generator the section: sampling=load_study([...])['sampling']"
        )
    from scripts.lib.study.config import load_study

    return dict(load_study([CONFIG])["sampling"])


def compare(trials: str | Path | pd.DataFrame, test: str = "welch", alpha: float = 0.05) -> pd.DataFrame:
    """Compare every arm of a table of trials with the arm `real`: the paper's one-tailed test, an interval, Bonferroni and Holm.

    trials  a CSV or a table with the columns arm, trial and value; dataset, metric, fraction, multiplier and seed where there are
            several. Trials of the same number may share their films; `test` is welch, pooled or paired.
    Raises InputError, one line, for a table that cannot be compared, and for a test that is not known.

        >>> rows = {"arm": ["real"] * 3 + ["gan"] * 3, "trial": [0, 1, 2] * 2, "value": [0.60, 0.64, 0.62, 0.70, 0.71, 0.75]}
        >>> compare(pd.DataFrame(rows))[["arm", "difference", "p_value"]].round(4).values.tolist()
        [['gan', 0.1, 0.0039]]
    """
    import tempfile

    import pandas as pd

    from scripts.lib.evidence.own_trials import read_own_trials
    from scripts.lib.evidence.statistics import significance

    if not isinstance(trials, pd.DataFrame):
        return significance(read_own_trials(Path(trials))[0], test=test, alpha=alpha)
    with tempfile.TemporaryDirectory() as folder:  # one reader, and one wording of its errors, for both
        path = Path(folder) / "trials.csv"
        trials.to_csv(path, index=False)
        return significance(read_own_trials(path)[0], test=test, alpha=alpha)
