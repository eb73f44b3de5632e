import subprocess
import sys

import matplotlib as mpl
import pytest

from faceleak.reporting.style import BLUE, PALETTE, entitle, in_turn, new_figure, shortened, tidy, words


def test_palette_colors_are_distinct_and_start_again_behind_the_last():
    assert len(set(PALETTE)) == len(PALETTE)
    assert in_turn(PALETTE, len(PALETTE)) == in_turn(PALETTE, 0) == BLUE


@pytest.mark.parametrize(
    ("text", "length", "expected"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abc…fg"), ("abcdefgh", 5, "ab…gh")]
)
def test_long_texts_lose_their_middle(text, length, expected):
    assert shortened(text, length) == expected


def test_names_become_words():
    assert words("partial_knowledge") == "partial knowledge"


def test_figures_leave_the_settings_of_matplotlib_alone():
    before = mpl.rcParams.copy()
    figure = new_figure(3, 2)
    entitle(figure, "title")
    tidy(figure.add_subplot())
    assert mpl.rcParams.copy() == before
    assert (figure.get_dpi(), tuple(figure.get_size_inches())) == (150, (3, 2))


def test_reporting_imports_neither_torch_nor_pyplot():
    light = ("privacy_points", "recommendation", "results", "run_description", "tables", "terminal", "validation")
    modules = ("comparison", "galleries", "histograms", "privacy_utility", "risk", "roc", "scaling", *light)
    imports = "; ".join(f"import faceleak.reporting.{module}" for module in modules)
    code = (
        f"import sys; {imports}; print(sorted({{'torch', 'matplotlib.pyplot', 'kedro', 'mlflow'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
