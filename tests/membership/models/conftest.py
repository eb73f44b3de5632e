"""The attacker's tables, with what each attack model is there to find."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

CHANNELS = 6
XOR = [f"signal.{i}" for i in range(4)]
MAP = [f"map.{channel}.{row}.{column}" for channel in range(CHANNELS) for row in range(4) for column in range(4)]
SCORE = ["score", "signal.0", "signal.1"]


def people_of(people: int, images: int) -> pd.DataFrame:
    identity = np.repeat(np.arange(people), images)
    return pd.DataFrame({"identity": [f"p{i}" for i in identity], "is_member": identity % 2 == 0})


def xor_table(seed: int = 0, people: int = 120, images: int = 6) -> pd.DataFrame:
    """Members where the first two numbers have the same sign, on scales far apart: no line divides them."""
    table, random = people_of(people, images), np.random.default_rng(seed)
    values = random.normal(size=(len(table), len(XOR)))
    same = np.where(table["is_member"], 1, -1)
    values[:, 1] = np.abs(values[:, 1]) * np.sign(values[:, 0]) * same + 0.3 * random.normal(size=len(table))
    return table.assign(**dict(zip(XOR, values.T * [[1e-3], [1e3], [1], [5]] + 1, strict=True)))


def map_table(seed: int = 0, people: int = 120, images: int = 6) -> pd.DataFrame:
    """A pair of like neighbors somewhere in the first channels, of any sign: no single position tells anything."""
    table, random = people_of(people, images), np.random.default_rng(seed)
    maps = random.normal(size=(len(table), CHANNELS, 4, 4))
    for image in np.flatnonzero(table["is_member"]):
        row, column = random.integers(0, 3, 2)
        maps[image, :2, row : row + 2, column : column + 2] += 1.5 * random.choice([-1, 1])
    return pd.concat([table, pd.DataFrame(maps.reshape(len(table), -1), columns=MAP)], axis=1)


def score_table(seed: int = 0, people: int = 120, images: int = 6, gain: float = 1.5) -> pd.DataFrame:
    """A score whose mean and scale depend on two numbers of the image; training raises it by `gain` scales."""
    table, random = people_of(people, images), np.random.default_rng(seed)
    numbers = random.uniform(-1, 1, size=(2, len(table)))
    scale = np.exp(1.5 * numbers[1])
    score = 4 * numbers[0] + scale * (random.normal(size=len(table)) + gain * table["is_member"])
    return table.assign(**dict(zip(SCORE, [score, *numbers], strict=True)))


@pytest.fixture(scope="session")
def cases() -> dict[str, tuple[Callable[..., pd.DataFrame], list[str]]]:
    """Model → its table by seed, and the columns."""
    return {"mlp": (xor_table, XOR), "cnn": (map_table, MAP), "quantile": (score_table, SCORE)}
