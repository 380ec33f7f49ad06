"""docs/notebook.ipynb: three short examples of the module `synthorax`, run on a finished study, with what they print and draw.

Its cells are written here, so that the notebook is made anew with the pictures of docs/ and never by hand.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
from pathlib import Path
from typing import Any

from scripts.lib.core.seeds import content_hash

NAME = "notebook.ipynb"
NEEDS = ("candid/pools/original/fraction-0.1", "candid/cohort", "generators/controlnet")  # below results/
CELLS: tuple[tuple[str, str], ...] = (
    (
        "markdown",
        "# Synthorax in a notebook\n\nStart Jupyter in the folder of the repository, after `make figure2`. [Python](python.md) says more. "
        "The films here are phantoms: they show how it is used, and nothing about patients.",
    ),
    (
        "markdown",
        "## From your own trials to a P value\n\nA table of scores from anywhere is enough: one arm is called `real`.",
    ),
    (
        "code",
        "import pandas as pd\nimport synthorax\n\nmine = pd.DataFrame(\n    {\n"
        '        "arm": ["real"] * 5 + ["gan"] * 5,\n        "trial": [0, 1, 2, 3, 4] * 2,\n'
        '        "value": [0.60, 0.64, 0.62, 0.61, 0.65, 0.66, 0.69, 0.64, 0.68, 0.70],\n    }\n)\n'
        'answer = synthorax.compare(mine)\nprint(answer[["arm", "difference", "ci_low", "ci_high", "p_value"]].round(4).to_string(index=False))',
    ),
    (
        "markdown",
        "## A look at a pool\n\nA pool opens like a cohort of films. Each image knows its mask and its labels.",
    ),
    (
        "code",
        "import matplotlib.pyplot as plt\n\n"
        'pool = synthorax.open_pool("results/candid/pools/original/fraction-0.1")\n'
        'print(len(pool), "images of", pool.resolution, "pixels with masks of", ", ".join(pool.structures))\n\n'
        "figure, axes = plt.subplots(1, 6, figsize=(9, 1.7))\nfor axis, place in zip(axes, range(0, 600, 100)):\n"
        '    one = pool[place]\n    axis.imshow(one.image, cmap="gray", vmin=0, vmax=255)\n'
        '    if one.masks["pneumothorax"].any():\n        axis.contour(one.masks["pneumothorax"], levels=[0.5], colors="gold", linewidths=1)\n'
        '    axis.axis("off")',
    ),
    (
        "markdown",
        "## Three images of masks\n\nMasks of real test films go in; the generator has never seen them. The same seed gives the same pixels.",
    ),
    (
        "code",
        'films = synthorax.open_cohort("results/candid/cohort")\n'
        'rows = [row for row in films.rows(split="test") if films[row].masks["pneumothorax"].any()][:3]\n'
        'generator = synthorax.open_generator("results/generators/controlnet", structures=films.structures)\n'
        "images = generator.sample(masks=films.masks(rows))\n\n"
        "figure, axes = plt.subplots(2, 3, figsize=(5, 3.4))\nfor column, (row, image) in enumerate(zip(rows, images)):\n"
        "    for axis, picture in zip(axes[:, column], (films[row].image, image)):\n"
        '        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)\n        axis.axis("off")\n'
        'axes[0, 0].set_title("film", loc="left", fontsize=9)\naxes[1, 0].set_title("image of its mask", loc="left", fontsize=9)\n'
        'print("the same again:", bool((generator.sample(masks=films.masks(rows)) == images).all()))',
    ),
)


def can_be_made(results: Path) -> bool:
    """Whether a results folder has what the cells open."""
    return all((results / name).is_dir() for name in NEEDS)


def notebook(results: Path) -> str:
    """Return the notebook as JSON, its cells run one after the other beside `results`, which is a folder named results.

    Whatever a cell raises is raised.
    """
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    cells: list[dict[str, Any]] = []
    with contextlib.chdir(results.resolve().parent):
        for number, (kind, source) in enumerate(CELLS):
            cell: dict[str, Any] = {"cell_type": kind, "id": content_hash(kind, source, digits=8), "metadata": {}}
            cell["source"] = source.splitlines(keepends=True)
            if kind == "code":
                run = sum(one["cell_type"] == "code" for one in cells) + 1
                cell |= {"execution_count": run, "outputs": _run(source, f"cell {number}", names)}
            cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _run(source: str, name: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a cell and return its outputs: what it printed, and the figures that it drew."""
    import matplotlib.pyplot as plt

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(source, name, "exec"), names)  # the cells above
    outputs: list[dict[str, Any]] = []
    if text := said.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)})
    for number in plt.get_fignums():
        content = io.BytesIO()
        plt.figure(number).savefig(content, format="png", dpi=80, bbox_inches="tight", metadata={"Software": None})
        data = {"image/png": base64.b64encode(content.getvalue()).decode(), "text/plain": ["<Figure>"]}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    plt.close("all")
    return outputs
