"""How figures look: one palette, one set of sizes, axes without ornament. Nothing here touches matplotlib's globals.

The colors are Okabe and Ito's (Color Universal Design, 2008), which color-blind people can tell apart, without their
yellow, which is too light on white. No figure tells things apart only by color.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
TITLE, LABEL, SMALL = 12.0, 10.0, 8.5  # font sizes in points

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
GRAY, LIGHT_GRAY = "#6E6E6E", "#D0D0D0"
MARKERS = "osD^vPX"

ROLE_COLORS = {
    "member": VERMILION,
    "same_identity": BLUE,
    "unseen_identity": GREEN,
    "auxiliary": PURPLE,
    "public": GRAY,
}
ROLE_MEANINGS = {
    "member": "images that the target was trained on",
    "same_identity": "other images of the same people",
    "unseen_identity": "people whom the target never saw",
    "auxiliary": "people of the attacker's own",
    "public": "people whom everybody may use",
}


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, width and height in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def entitle(figure: "Figure", text: str) -> None:
    """Say above the figure what is seen in it."""
    figure.suptitle(text, x=0.01, horizontalalignment="left", fontsize=TITLE, fontweight="bold", parse_math=False)


def tidy(axes: "Axes") -> None:
    """Leave the two spines that carry the ticks, and readable tick labels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)


def in_turn(choices: Any, place: int) -> Any:
    """The choice at `place`, starting again behind the last one."""
    return choices[place % len(choices)]


def words(name: str) -> str:
    """A name from configuration as words: `partial_knowledge` → partial knowledge."""
    return name.replace("_", " ")


def shortened(text: str, length: int) -> str:
    """The text, its middle left out where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"
