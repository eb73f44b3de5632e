import numpy as np
import pandas as pd
import pytest

from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership.fitting import fit_attacks
from faceleak.membership.inputs import MissingSignalsError, evaluated_images
from faceleak.membership.options import AttackOptions, BlindOptions
from faceleak.membership.scoring import score_images
from faceleak.membership.view_signals import (
    SignalsTask,
    as_other_images,
    beside_images,
    has_other_images,
    other_images,
    read_views,
    read_with_other_images,
    without_other_images,
)
from faceleak.metrics.identity_level import measure_identities
from faceleak.metrics.options import BootstrapOptions
from faceleak.signals.reading import read_signals

COMPARED = ["reference_similarity.mean", "reference_similarity.std"]


def splits_of(members: list[tuple[int, int]], unseen: list[int], known: int = 0) -> pd.DataFrame:
    """Training and other images of each member person, images of each unseen one; the last of both are known."""
    rows = []
    for person, (trained, others) in enumerate(members):
        roles = ["member"] * trained + ["same_identity"] * others
        rows += [(f"m{person}/{i}", f"m{person}", role, person >= len(members) - known) for i, role in enumerate(roles)]
    for person, images in enumerate(unseen):
        of_unseen = [(f"u{person}/{i}", f"u{person}") for i in range(images)]
        rows += [(*names, "unseen_identity", person >= len(unseen) - known) for names in of_unseen]
    return pd.DataFrame(rows, columns=["image_id", "identity", "role", "known"])


def counts(images: pd.DataFrame) -> list[int]:
    return sorted(images.groupby("identity").size())


def test_no_training_image_and_nobody_whom_the_attacker_knows():
    splits = splits_of([(3, 2), (3, 2), (3, 2)], [5, 5, 5], known=1)
    chosen = other_images(splits)
    assert set(chosen["role"]) == {"same_identity", "unseen_identity"}
    assert set(chosen["identity"]) == {"m0", "m1", "u0", "u1"}
    assert chosen["identity"].value_counts().tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("members", "unseen", "expected"),
    [
        ([(5, 10)] * 4, [10] * 4, [10] * 4),  # as the demo has them: unseen people have no more images than that
        ([(3, 2), (5, 3), (12, 8)], [5, 8, 20], [2, 3, 8]),
        ([(3, 2), (3, 2), (12, 8)], [20, 6, 5], [2, 2, 8]),
        ([(3, 4)], [2, 9], [2, 4]),  # who has fewer shows all
    ],
)
def test_unseen_people_show_as_many_images_as_members_people(members, unseen, expected):
    chosen = other_images(splits_of(members, unseen))
    assert counts(with_role(chosen, "same_identity")) == sorted(others for _, others in members)
    assert counts(with_role(chosen, "unseen_identity")) == expected


def test_the_order_of_rows_changes_nothing():
    splits = splits_of([(3, 2), (6, 4)], [5, 10, 7])
    shuffled = splits.sample(frac=1, random_state=3)
    assert set(other_images(shuffled)["image_id"]) == set(other_images(splits)["image_id"])


@pytest.mark.parametrize("splits", [splits_of([(3, 0)], [4]), splits_of([(3, 2)], [])])
def test_without_images_of_one_kind_there_is_nothing_to_tell_apart(splits):
    assert other_images(splits).empty


def test_the_second_reading_takes_the_place_of_the_first_by_hand():
    first = {"a.0": [1.0], "b.0": [2.0], "b.1": [3.0]}
    table = pd.DataFrame(first | {"other_images.b.0": [4.0], "other_images.b.1": [5.0]})
    assert as_other_images(table).to_dict("list") == {"a.0": [1.0], "b.0": [4.0], "b.1": [5.0]}
    assert without_other_images(table).columns.tolist() == ["a.0", "b.0", "b.1"]
    assert as_other_images(table[["a.0"]]).columns.tolist() == ["a.0"]


def test_only_comparisons_have_to_be_read_twice():
    first = ["bn_distance.0", "reference_similarity.mean"]
    twice = pd.DataFrame(columns=[*first, "other_images.reference_similarity.mean"])
    assert has_other_images(["bn_distance", "reference_similarity"], twice)
    assert not has_other_images(["bn_distance", "reference_similarity"], without_other_images(twice))
    assert has_other_images(["bn_distance"], without_other_images(twice))


def test_companions_are_no_training_images(tiny_backbone, demo_store, demo_splits, compute):
    images = with_role(demo_splits, *EVALUATED_ROLES)
    names = ["reference_similarity", "embedding_norm"]
    arguments = tiny_backbone, demo_store, images, compute, demo_splits.head(0)
    read = read_with_other_images(names, *arguments).set_index("image_id")
    pd.testing.assert_frame_equal(
        without_other_images(read), read_signals(names, *arguments).set_index("image_id").astype(np.float32)
    )
    others = other_images(images)
    assert not (others["role"] == "member").any()
    second = read[[f"other_images.{column}" for column in COMPARED]]
    assert set(second.dropna().index) == set(others["image_id"])
    alone = read_signals(["reference_similarity"], tiny_backbone, demo_store, others, compute).set_index("image_id")
    np.testing.assert_array_equal(second.loc[alone.index], alone[COMPARED])
    # training images do not enter: without them the reading is the same
    without = images[images["role"] != "member"]
    again = read_with_other_images(names, tiny_backbone, demo_store, without, compute, demo_splits.head(0))
    again = again.set_index("image_id")[second.columns].dropna()
    np.testing.assert_array_equal(again, second.loc[again.index])
    # and of members' people it is another one than among all of their images
    of_members = with_role(others, "same_identity")["image_id"]
    assert (read.loc[of_members, second.columns].to_numpy() != read.loc[of_members, COMPARED].to_numpy()).all()


def planted(splits: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """A target that makes images similar to a person's training images, and to nothing else."""
    images = with_role(splits, *EVALUATED_ROLES)
    random = np.random.default_rng(seed)
    remembered = images.groupby("identity")["role"].transform(lambda roles: (roles == "member").any())
    values = pd.DataFrame(random.normal(size=(len(images), 2)), columns=COMPARED).set_axis(images.index)
    first = values.add(4.0 * remembered, axis=0)
    chosen = images["image_id"].isin(other_images(images)["image_id"])
    second = pd.DataFrame(random.normal(size=(len(images), 2)), columns=COMPARED).set_axis(images.index).where(chosen)
    return pd.concat([images[["image_id"]], first, second.add_prefix("other_images.")], axis=1).reset_index(drop=True)


@pytest.mark.parametrize("calibration", [None, "features", "bavaria"])
def test_what_only_training_images_show_is_not_found_by_who_has_none(many_splits, calibration):
    images = with_role(many_splits, *EVALUATED_ROLES)
    nothing = planted(many_splits.assign(role=many_splits["role"].replace("member", "same_identity")), 1)
    references = [nothing.assign(reference=f"r{i}") for i in range(2)]
    signals = planted(many_splits).assign(variant="undefended", bypass="")
    calibration_signals = pd.concat(references, ignore_index=True)
    attacks = {"similarity": AttackOptions(signals=["reference_similarity"], calibration=calibration)}
    none = pd.DataFrame(columns=["reference", "image_id"])
    models = fit_attacks(signals, none, calibration_signals, many_splits, attacks, ["partial_knowledge"])
    scores = score_images(signals, calibration_signals, models, many_splits, ["plain"])
    people = measure_identities(scores, None, "mean", BootstrapOptions(resamples=200))
    assert people["identity"]["auc"] > 0.99
    # 75 people of each kind: a standard error of 0.047
    assert people["identity_other_images"]["auc"] == pytest.approx(0.5, abs=0.15)
    # as companions, training images would have given them away
    shown = scores[scores["other_images_score"].notna()].assign(other_images_score=lambda rows: rows["score"])
    leaky = pd.concat([shown, scores[scores["is_member"]]])
    assert (
        measure_identities(leaky, None, "mean", BootstrapOptions(resamples=200))["identity_other_images"]["auc"] > 0.99
    )
    evaluated = evaluated_images(many_splits)
    assert set(shown["image_id"]) == set(other_images(many_splits)["image_id"]) <= set(evaluated["image_id"])
    assert len(images) > len(evaluated)


def test_signals_that_were_read_once_have_no_scores_in_that_setting(many_splits):
    signals = without_other_images(planted(many_splits)).assign(variant="undefended", bypass="")
    none = pd.DataFrame(columns=["reference", "image_id"])
    attacks = {"similarity": AttackOptions(signals=["reference_similarity"])}
    models = fit_attacks(signals, none, none, many_splits, attacks, ["partial_knowledge"])
    scores = score_images(signals, none, models, many_splits, ["plain"])
    assert scores["other_images_score"].isna().all()
    assert set(measure_identities(scores, None, "mean", BootstrapOptions(resamples=100))) == {"identity"}


NAMES = ("bn_distance", "reference_similarity")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_view_is_read_as_if_it_were_alone(workers, tiny_backbone, demo_store, demo_splits, compute, tmp_path):
    images, nobody = with_role(demo_splits, *EVALUATED_ROLES), demo_splits.head(0)
    tasks = {
        "a": SignalsTask(NAMES, tiny_backbone, demo_store, images, nobody),
        "b": SignalsTask(NAMES[:1], tiny_backbone, demo_store, images, nobody),
    }
    own = compute.model_copy(update={"workers": workers, "cache": tmp_path})
    tables = read_views(tasks, own)
    assert list(tables) == ["a", "b"]
    for view, task in tasks.items():
        alone = read_with_other_images(task.names, tiny_backbone, demo_store, images, compute, nobody)
        pd.testing.assert_frame_equal(tables[view], alone, rtol=1e-5, atol=1e-6)


OF_IMAGES = pd.DataFrame({"image_id": ["a", "b"], "pixel_statistics.blur": [0.5, 0.25]})
READ = pd.DataFrame(
    {
        "reference": ["r1", "r1", "r0", "r0"],
        "image_id": ["b", "a", "a", "b"],
        "bn_distance.bn1": [2.0, 1.0, 10.0, 20.0],
        "bn_distances.bn1": [7.0, 7.0, 7.0, 7.0],
        "reference_similarity.mean": [4.0, 3.0, 30.0, 40.0],
    }
)


def beside(**options) -> dict[str, list]:
    return beside_images(OF_IMAGES, READ, BlindOptions(**options)).to_dict("list")


def test_signals_of_the_first_references_by_hand():
    images = {"image_id": ["a", "b"], "pixel_statistics.blur": [0.5, 0.25]}
    assert beside(references=0) == images
    assert beside(references=1) == images | {"r1.bn_distance.bn1": [1.0, 2.0]}
    both = beside(references=2, reference_signals=["reference_similarity", "bn_distance"])
    assert list(both)[2:] == [
        "r1.reference_similarity.mean",
        "r1.bn_distance.bn1",
        "r0.reference_similarity.mean",
        "r0.bn_distance.bn1",
    ]
    assert both["r1.reference_similarity.mean"] == [3.0, 4.0]
    assert both["r0.bn_distance.bn1"] == [10.0, 20.0]
    assert beside(references=9) == beside(references=2)


def test_what_was_read_among_other_images_is_kept_apart():
    read = READ.assign(**{"other_images.bn_distance.bn1": [5.0, 6.0, 7.0, 8.0], "other_images.x.0": 0.0})
    table = beside_images(OF_IMAGES, read, BlindOptions(references=2)).to_dict("list")
    assert table == beside(references=2) | {
        "other_images.r1.bn_distance.bn1": [6.0, 5.0],
        "other_images.r0.bn_distance.bn1": [7.0, 8.0],
    }


def test_an_image_that_a_reference_lacks_is_an_error():
    with pytest.raises(MissingSignalsError, match="1 of 2 images"):
        beside_images(OF_IMAGES, READ.drop(index=1), BlindOptions())


def test_the_tables_stay_as_they_came():
    before = OF_IMAGES.copy(), READ.copy()
    beside()
    pd.testing.assert_frame_equal(OF_IMAGES, before[0])
    pd.testing.assert_frame_equal(READ, before[1])
