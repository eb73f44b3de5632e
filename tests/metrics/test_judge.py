import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.judge import make_judge, make_lax_judge, make_panel
from faceleak.metrics.roc import MetricError

EAST, NORTH, UP = np.eye(3)


def _rows(role: str, identity: str, *embeddings: np.ndarray, known: bool = False) -> list[dict[str, object]]:
    return [{"role": role, "identity": identity, "known": known, "embedding": embedding} for embedding in embeddings]


def _people(strangers: int = 20) -> pd.DataFrame:
    """Members a (east) and b (north), controls c (up) and d (east and up), strangers at 0°, 4°, 8° … from north."""
    angles = np.deg2rad(4 * np.arange(strangers))
    return pd.DataFrame(
        _rows("member", "a", NORTH)
        + _rows("same_identity", "a", 2 * EAST, EAST, known=True)
        + _rows("same_identity", "b", NORTH)
        + _rows("unseen_identity", "c", UP)
        + _rows("unseen_identity", "d", EAST + UP)
        + [row for angle in angles for row in _rows("public", "s", np.cos(angle) * NORTH - np.sin(angle) * EAST)]
    )


def test_templates_come_from_images_that_the_target_never_saw() -> None:
    judge = make_judge(_people(), 0.05)
    assert np.allclose(judge.members.templates, [EAST, NORTH])
    assert np.allclose(judge.controls.templates, [UP, (EAST + UP) / 2**0.5])
    assert judge.members.identities.tolist() == ["a", "b"]
    assert judge.known_members == {"a"}


def test_the_threshold_by_hand() -> None:
    """Of 80 comparisons 5 % are four: the strangers at 0°, 4°, 8° and 12° from b reach it, the one at 16° just not."""
    threshold = make_judge(_people(), 0.05).threshold
    assert np.cos(np.deg2rad(16)) < threshold <= np.cos(np.deg2rad(12))
    assert threshold == pytest.approx(np.cos(np.deg2rad(16)), abs=1e-6)


def test_the_threshold_does_not_depend_on_which_gallery_is_called_member() -> None:
    swapped = _people().replace({"role": {"same_identity": "unseen_identity", "unseen_identity": "same_identity"}})
    assert make_judge(swapped, 0.05).threshold == make_judge(_people(), 0.05).threshold


def test_galleries_are_cut_to_the_same_size() -> None:
    more = pd.DataFrame(_rows("unseen_identity", "e", -UP) + _rows("unseen_identity", "f", -EAST))
    judge = make_judge(pd.concat([_people(), more]), 0.05)
    assert len(judge.members) == len(judge.controls) == 2
    assert judge.controls.identities.tolist() == ["c", "f"]


def test_a_lax_judge_matches_any_single_image() -> None:
    judge, lax = make_judge(_people(), 0.05), make_lax_judge(_people(), 0.05)
    image = pd.DataFrame(_rows("same_identity", "b", UP))  # one of b's images shows what none of the others does
    with_image = make_lax_judge(pd.concat([_people(), image]), 0.05)
    assert np.allclose(lax.members.similarities(UP[None]), judge.members.similarities(UP[None]))
    assert with_image.members.similarities(UP[None]).tolist() == [[0, 1]]
    assert make_judge(pd.concat([_people(), image]), 0.05).members.similarities(UP[None])[0, 1] < 0.8


def test_a_panel_names_who_resembles_the_target() -> None:
    panel = make_panel({"one": _people(), "two": _people(), "three": _people()}, ("one", "three"), 0.05)
    assert panel.resembling == ("two",)
    assert panel.judges["one"].threshold == make_judge(_people(), 0.05).threshold


def test_too_few_comparisons_for_the_rate_are_refused() -> None:
    with pytest.raises(MetricError):
        make_judge(_people(), 0.001)
