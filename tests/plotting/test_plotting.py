"""Figures: made without a fault for any number of panels, the same bytes twice, every trial drawn, type embedded."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts import draw_sheet as sheet_command
from scripts import plot_figure2 as figure_command
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.mask_picture import PALETTE
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import ENDS, FIGURE2, write_table
from scripts.lib.plotting.figure2 import draw_figure2
from scripts.lib.plotting.sheet import draw_sheet, group_names, outlined, pick_films
from scripts.lib.plotting.style import SYNTHETIC, save, shades


def make_table(datasets=4, fractions=(0.01, 0.1, 1.0), trials=2, significant=True):
    rows = []
    for number in range(datasets):
        about = {"dataset": f"d{number}", "title": f"Dataset {number}", "task": "multilabel", "metric": "f1"}
        rows.append(about | {"kind": "baseline", "baseline": "all_positive", "value": 0.3 + number / 50})
        rows.append(about | {"kind": "baseline", "baseline": "all_negative", "value": 0.0})
        for fraction in fractions:
            for multiplier in (0, 2, 5, 10, 25):
                arm = "original" if multiplier else "real"
                cell = about | {"fraction": fraction, "arm": arm, "multiplier": multiplier, "n_real": 400 * fraction}
                values = [0.1 + multiplier / 100 + fraction / 10 + trial / 50 for trial in range(trials)]
                rows += [cell | {"kind": "trial", "trial": trial, "value": value} for trial, value in enumerate(values)]
                star = significant and multiplier == 25
                ends = {"low": np.mean(values) - 0.03, "high": np.mean(values) + 0.05}
                rows.append(cell | {"kind": "mean", "value": np.mean(values), "significant": star, **ends})
    table = pd.DataFrame(rows).reindex(columns=[*FIGURE2, *ENDS])
    return table.assign(significant=table["significant"].fillna(False).astype(bool))


@pytest.mark.parametrize("datasets", [1, 2, 5])
def test_any_number_of_panels(datasets):
    figure = draw_figure2(make_table(datasets))
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left")[0] for axis in shown] == list("ABCDE"[:datasets])
    assert all("Mean F1" in axis.get_ylabel() for axis in shown)


def test_every_trial_the_means_the_baseline_and_the_stars_are_drawn():
    table = make_table(1, trials=3)
    axis = draw_figure2(table).axes[0]
    points = np.concatenate([line.get_ydata() for line in axis.lines if line.get_marker() == "o"])
    assert sorted(points) == pytest.approx(sorted(table.loc[table["kind"] == "trial", "value"]))
    heights = [bar.get_height() for bar in axis.patches]
    assert sorted(heights) == pytest.approx(sorted(table.loc[table["kind"] == "mean", "value"]))
    texts = [text.get_text() for text in axis.texts]
    assert texts.count("★") == 3 and "all positive\n0.30" in texts
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1 %\nn = 4", "10 %\nn = 40", "100 %\nn = 400"]


def test_further_arms_have_one_bar_a_fraction_at_their_largest_multiplier():
    table = make_table(1, fractions=(0.1, 1.0), trials=2)
    rows = [
        {"dataset": "d0", "task": "multilabel", "metric": "f1", "fraction": fraction, "arm": "copies", "kind": kind}
        | {"multiplier": multiplier, "value": value, "n_real": 40, "significant": False}
        for fraction, multiplier, value in ((0.1, 2, 0.61), (0.1, 25, 0.62), (1.0, 2, 0.63))
        for kind in ("trial", "mean")
    ]
    figure = draw_figure2(pd.concat([table, pd.DataFrame(rows)]), beside={"copies": "the films again", "absent": "x"})
    hatched = [bar.get_height() for bar in figure.axes[0].patches if bar.get_hatch()]
    assert hatched == [0.62, 0.63]  # 2x at 0.1 is left out: 25x is the largest there
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert texts.count("the films again") == 1 and "x" not in texts


def test_means_have_their_intervals_and_without_any_the_legend_knows_none():
    table = make_table(1, fractions=(0.1,))
    axis = draw_figure2(table).axes[0]
    drawn = sorted(tuple(line.get_ydata()) for line in axis.lines if line.get_marker() == "_")
    means = table[table["kind"] == "mean"]
    assert np.array(drawn) == pytest.approx(np.array(sorted(zip(means["low"], means["high"]))))
    texts = []
    for shown in (table, table.assign(low=np.nan, high=np.nan)):
        texts.append(" ".join(text.get_text() for one in draw_figure2(shown).legends for text in one.get_texts()))
    assert "line: 95 % interval" in texts[0] and "interval" not in texts[1]


def test_the_legend_explains_stars_only_where_there_are_any():
    texts = []
    for significant in (True, False):
        figure = draw_figure2(make_table(2, significant=significant))
        texts.append(" ".join(text.get_text() for legend in figure.legends for text in legend.get_texts()))
    assert "Bonferroni" in texts[0] and "Bonferroni" not in texts[1]
    assert "real films only + 2× synthetic + 5× synthetic" in texts[0] and "trivial baseline" in texts[0]


def test_missing_cells_and_values_are_no_fault():
    table = make_table(2)
    table = table[~((table["dataset"] == "d0") & (table["fraction"] == 1.0) & (table["multiplier"] > 5))]
    gone = (table["dataset"] == "d1") & (table["multiplier"] == 2)
    table.loc[gone, "value"] = np.nan
    figure = draw_figure2(table[table["kind"] != "baseline"])
    assert len(figure.axes[0].patches) == 5 + 5 + 3 and len(figure.axes[1].patches) == 12
    assert [text.get_text() for text in figure.axes[1].texts].count("n/a") == 3
    with pytest.raises(InputError, match="no rows"):
        draw_figure2(table.head(0))


def test_shades_go_from_light_to_dark():
    def luminance(colour):
        red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    for count in (1, 2, 4, 5, 9):
        grey = [luminance(colour) for colour in shades(count)]
        assert len(set(grey)) == count and grey == sorted(grey, reverse=True)
    assert shades(5) == list(SYNTHETIC)


def test_command_writes_three_formats_with_the_same_bytes_twice(tmp_path):
    write_table(make_table(2), tmp_path / "table.csv")
    files = []
    for run in ("a", "b"):
        outputs = [tmp_path / run / f"figure2{suffix}" for suffix in (".pdf", ".png", ".svg")]
        config = json.dumps({"width_mm": 183, "dpi": 150})
        figure_command.main(["--table", str(tmp_path / "table.csv"), "--config", config, "--out", *map(str, outputs)])
        files.append([path.read_bytes() for path in outputs])
    assert files[0] == files[1]
    pdf, png, svg = files[0]
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf and b"/Type3" not in pdf
    assert b"<dc:date>" not in svg and svg.lstrip().startswith(b"<?xml")
    with Image.open(tmp_path / "a" / "figure2.png") as picture:
        assert picture.width == int(183 / 25.4 * 150)
    with pytest.raises(SystemExit):
        figure_command.main(["--table", "t.csv", "--config", "{}", "--out", "figure2.docx"])


def test_saved_pdf_embeds_truetype(tmp_path):
    save(draw_figure2(make_table(1)), [tmp_path / "f.pdf"])
    assert re.search(rb"/Subtype ?/(CIDFontType2|TrueType)", (tmp_path / "f.pdf").read_bytes())


def test_outline_is_the_inner_border_of_the_enlarged_mask():
    field = np.zeros((4, 4), np.uint8)
    field[1:3, 1:3] = 1
    picture = outlined(np.full((4, 4), 9, np.uint8), field, ["lungs"], 4)  # an 8 x 8 square of 16 x 16 pixels
    blue = (picture == PALETTE["lungs"]).all(axis=2)
    assert blue.sum() == 4 * 7 and blue[4, 4:12].all() and not blue[5:11, 5:11].any()
    assert (picture[~blue] == 9).all()
    assert not (outlined(np.zeros((4, 4), np.uint8), None, [], 3)).any()


def pool_index(count, prompts=True):
    index = pd.DataFrame({"image_id": [f"i{k}" for k in range(count)], "report": None, "trial": -1})
    index["position"] = range(count)
    index["edema"] = pd.array([k % 2 for k in range(count)], dtype="Int8")
    index["pleural_effusion"] = pd.array([k % 3 == 0 for k in range(count)], dtype="Int8")
    if prompts:
        index["prompt"] = ["edema" if k % 2 else None for k in range(count)]
    return index


def test_films_are_grouped_by_prompt_then_label_and_limited():
    names = group_names(pool_index(6))
    assert names.tolist() == ["pleural effusion", "“edema”", "no finding", "“edema”", "no finding", "“edema”"]
    groups = pick_films(pool_index(600, prompts=False), most=32, columns=8)
    assert [name for name, _ in groups] == ["edema", "edema + pleural effusion", "no finding", "pleural effusion"]
    assert [len(rows) for _, rows in groups] == [8, 8, 8, 8]
    assert groups[0][1].tolist() == [1, 5, 7, 11, 13, 17, 19, 23]
    single = group_names(pool_index(2, prompts=False).drop(columns="pleural_effusion"))
    assert single.tolist() == ["no edema", "edema"]


def test_sheet_shows_every_film_enlarged_by_whole_pixels():
    films = np.arange(3, dtype=np.uint8)[:, None, None].repeat(64, 1).repeat(64, 2) * 50 + 40
    sheet = np.asarray(draw_sheet(films, None, [("edema", ["a", "b"]), ("normal", ["c"])], [], "pool"))
    for value in (40, 90, 140):
        assert (sheet == value).all(axis=2).sum() >= (64 * 3) ** 2  # 192 pixels: the first whole multiple over 168


def test_sheet_command_writes_the_same_bytes_twice(tmp_path):
    for shard in range(2):
        structures = ["lungs", "pneumothorax"]
        with CohortWriter(
            tmp_path / f"s{shard}", 32, structures, ["pneumothorax"], {"dataset": "siim", "arm": "dpo"}
        ) as out:
            for k in range(5):
                field = np.zeros((32, 32), np.uint8)
                field[4 : 10 + k, 5:20] = 1 + 2 * (k % 2)
                row = {"image_id": f"{shard}-{k}", "split": "train", "synthetic": True, "pneumothorax": k % 2}
                out.add(
                    np.full((32, 32), 40 * k, np.uint8), field, row | {"trial": shard, "position": k, "side": "left"}
                )
    pools = [str(tmp_path / f"s{shard}") for shard in range(2)]
    for name in ("a.png", "b.png"):
        sheet_command.main(["--pool", *pools, "--out", str(tmp_path / name)])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    colours = {
        tuple(pixel) for pixel in np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).reshape(-1, 3).tolist()
    }
    assert {PALETTE["lungs"], PALETTE["pneumothorax"]} <= colours


def test_an_empty_pool_has_no_sheet(tmp_path):
    with CohortWriter(tmp_path / "empty", 32, [], [], {"dataset": "siim"}):
        pass
    with pytest.raises(InputError, match="the pool holds no film"):
        sheet_command.main(["--pool", str(tmp_path / "empty"), "--out", str(tmp_path / "c.png")])
    assert not (tmp_path / "c.png").exists()
