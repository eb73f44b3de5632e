"""Numbers as a reader sees them."""

import math

from faceleak.reporting.audit.parts import Cell, Measured

NOTHING = "–"
SHORT = 60  # characters
PER_CENT = "\u00a0%"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def cell_text(cell: Cell) -> str:
    """A cell of a table: three decimals, intervals in brackets, – where nothing was measured."""
    if isinstance(cell, Measured):
        return measured_text(cell)
    if cell is None or cell == "":
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else number(cell)


def measured_text(measured: Measured) -> str:
    """0.763 [0.701, 0.822], which breaks before its bracket only."""
    if measured.value is None:
        return NOTHING
    if measured.low is None or measured.high is None:
        return number(measured.value)
    return f"{number(measured.value)} [{number(measured.low)},\u00a0{number(measured.high)}]"


def number(value: float) -> str:
    """0.034, 1.2·10⁻⁷, 12,000"""
    if not math.isfinite(value):
        return NOTHING
    if value.is_integer() and abs(value) >= 2:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.0005:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits}·10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return f"{value:,.3f}"


def percent(measured: Measured) -> str:
    """20.6 % [9.2–32 %], with spaces that do not break."""
    if measured.value is None:
        return NOTHING
    if measured.low is None or measured.high is None:
        return _percent(measured.value)
    low = _percent(measured.low).removesuffix(PER_CENT)
    return f"{_percent(measured.value)} [{low}–{_percent(measured.high)}]"


def _percent(share: float) -> str:
    digits = 1 if round(1000 * share) % 10 else 0
    return f"{100 * share:.{digits}f}{PER_CENT}"


def in_short(setting: object) -> str:
    """A value of the configuration in a sentence."""
    text = str(setting)
    return "not given" if setting is None else text if len(text) <= SHORT else f"{text[:SHORT]} …"


def listed(names: list[str]) -> str:
    """a, b and c"""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
