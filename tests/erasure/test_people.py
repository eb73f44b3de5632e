"""Who is erased, and by which images people are judged."""

import pandas as pd
import pytest

from faceleak.erasure.options import ErasedOptions, ErasureOptions
from faceleak.erasure.people import draw_erased, panel_of
from faceleak.erasure.request import ErasureError

OPTIONS = {
    "methods": [{"method": "head_removal"}],
    "attackers": {"embeddings": {"signals": ["embedding_norm"]}},
    "images_per_person": 2,
}


@pytest.fixture
def splits() -> pd.DataFrame:
    """8 members, of whom 3 are known, with 3 training images and another one each; 4 + 2 people never in."""
    rows = [
        (f"{kind}{number}", role, number < known, image)
        for kind, roles, count, known in (
            ("m", ["member"] * 3 + ["same_identity"], 8, 3),
            ("u", ["unseen_identity"] * 3, 4, 2),
            ("a", ["auxiliary"] * 3, 2, 0),
        )
        for number in range(count)
        for image, role in enumerate(roles)
    ]
    table = pd.DataFrame(rows, columns=["identity", "role", "known", "image"])
    return table.assign(image_id=table["identity"] + "_" + table["image"].astype(str))


def test_members_are_drawn_whom_the_attacker_does_not_know_and_draws_differ(splits):
    drawn = draw_erased(splits, ErasedOptions(people=3, draws=4))
    assert drawn.groupby("draw")["identity"].nunique().tolist() == [3] * 4
    assert set(drawn["identity"]) <= {f"m{number}" for number in range(3, 8)}
    assert len({tuple(people) for _, people in drawn.groupby("draw")["identity"]}) > 1
    pd.testing.assert_frame_equal(drawn, draw_erased(splits.sample(frac=1), ErasedOptions(people=3, draws=4)))
    assert not drawn.equals(draw_erased(splits, ErasedOptions(people=3, draws=4, seed=1)))


def test_people_who_are_named_are_one_draw(splits):
    drawn = draw_erased(splits, ErasedOptions(identities=["m7", "m0"]))
    assert drawn.to_dict("list") == {"draw": [0, 0], "identity": ["m0", "m7"]}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"people": 4}, "people is 4, and the attacker does not know 5 members"),
        ({"identities": ["m3", "nobody"]}, "1 of 2 people .*such as 'nobody'"),
        ({"identities": ["u0"]}, "1 of 1 people"),
        ({"identities": ["m3", "m4", "m5", "m6"]}, "All but 1 of the 5 members"),
    ],
)
def test_who_cannot_be_erased_is_told(splits, options, told):
    with pytest.raises(ErasureError, match=told):
        draw_erased(splits, ErasedOptions(**options))


def test_everybody_is_judged_by_as_many_images_and_members_by_what_was_trained_on(splits):
    panel = panel_of(splits, ErasureOptions(**OPTIONS))
    assert set(panel.groupby("identity").size()) == {2}
    assert set(panel.loc[panel["is_member"], "image_id"].str[-1]) == {"0", "1"}
    assert panel["identity"].nunique() == 8 + 4 + 2
    only = panel_of(splits, ErasureOptions(**OPTIONS, calibrated_on=["auxiliary"]))
    never_in = only[~only["is_member"] & ~only["known"]]
    assert set(never_in["identity"]) == {"a0", "a1"}
    assert {"u0", "u1"} <= set(only["identity"])  # on whom attacks are fitted
