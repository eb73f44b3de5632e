"""Erasure: people are erased from the target, by every method, and looked for in what came out of it."""

from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from faceleak.auditing.kinds import Backbone, Figure
from faceleak.auditing.membership import anchors
from faceleak.auditing.target import check_trained_on_members, target_tasks
from faceleak.backbones.target_options import TargetOptions
from faceleak.common.trees import Metrics, Tree
from faceleak.defenses.owner import Owner
from faceleak.erasure.options import ErasureOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions, run_tasks

IMAGE = ["image_id", "identity", "sha256"]
RUN = ["draw", "method", "seed"]
USES = {"": "unseen_identity", "_of_stays": "same_identity"}  # end of a metric's name → the role whose pairs it is of


def draw_erased(splits: pd.DataFrame, options: ErasureOptions) -> pd.DataFrame:
    """Who is erased: draw and identity."""
    from faceleak.erasure import people

    return people.draw_erased(splits, options.erased)


def erase_people(
    target: Backbone,
    store: FaceStore,
    splits: pd.DataFrame,
    erased_people: pd.DataFrame,
    training: TargetOptions,
    options: ErasureOptions,
    compute: ComputeOptions,
) -> dict[Any, Backbone]:
    """Every draw erased by every method with each of its seeds: run → backbone; those that are there are kept.

    Raises StaleTargetError, and ErasureError where a method cannot be applied.
    """
    from faceleak.erasure.request import Request
    from faceleak.erasure.tasks import erasure_tasks, make_erasures

    trained = target_tasks(store, splits, training, compute)
    check_trained_on_members(target, trained)
    owner = Owner(target, trained[0] if trained else None, store, with_role(splits, "public")[IMAGE], compute)
    images = with_role(splits, "member")[IMAGE]
    requests = [
        Request(owner, images, frozenset(of_draw["identity"]))
        for _, of_draw in erased_people.groupby("draw", sort=True)
    ]
    return dict(make_erasures(erasure_tasks(requests, options.methods), compute))


def score_erasures(
    target: Backbone,
    erased_backbones: dict[Any, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    erased_people: pd.DataFrame,
    options: ErasureOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """One row a person, run and attacker: the score in the target, and in the backbone after the erasure."""
    from faceleak.bypasses import OwnFaces
    from faceleak.erasure.people import panel_of
    from faceleak.erasure.scoring import Judges, score_erasures

    own = OwnFaces(store, with_role(splits, "public")[IMAGE], compute)
    judges = Judges(store, panel_of(splits, options), anchors(splits), own, compute)
    return score_erasures(target, erased_backbones, erased_people, options.attackers, judges)


def measure_cost(
    target: Backbone,
    erased_backbones: dict[Any, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    erased_people: pd.DataFrame,
    training: TargetOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """One row a run, and for each draw the target itself: verification of people never in and of those who stay, time.

    Those who stay are verified by images that were not trained on, or by all they have where there are no others.
    """
    from faceleak.erasure.scoring import BEFORE
    from faceleak.erasure.tasks import cpu_seconds

    others = with_role(splits, USES["_of_stays"])
    shown = pd.concat([with_role(splits, USES[""]), others if len(others) else with_role(splits, "member")])
    erased = {
        draw: set(erased_people.loc[erased_people["draw"] == draw, "identity"])
        for draw in erased_people["draw"].unique().tolist()
    }
    verify = partial(
        _verification,
        store=store,
        shown=shown,
        erased=erased,
        maximum_pairs=training.utility.maximum_pairs,
        seed=bootstrap.seed,
        compute=compute,
    )
    tasks = [(BEFORE.method, target, list(erased)), *((run, one, [run.draw]) for run, one in erased_backbones.items())]
    verified = run_tasks(verify, [(backbone, draws) for _, backbone, draws in tasks], compute)
    rows: list[Tree] = [
        {"draw": draw, "method": BEFORE.method, "seed": 0, "cpu_seconds": np.nan, **of_draw}
        for draw, of_draw in verified[0].items()
    ]
    for (run, backbone), measured in zip(erased_backbones.items(), verified[1:], strict=True):
        rows.append({**run._asdict(), "cpu_seconds": cpu_seconds(backbone), **measured[run.draw]})
    return pd.DataFrame(rows)


def _verification(
    task: tuple[Backbone, list[int]],
    store: FaceStore,
    shown: pd.DataFrame,
    erased: dict[int, set[str]],
    maximum_pairs: int,
    seed: int,
    compute: ComputeOptions,
) -> dict[int, dict[str, float | None]]:
    from faceleak.backbones.embedding import embed
    from faceleak.metrics import verification

    backbone, draws = task
    embeddings = embed(backbone, store, shown["image_id"], compute)
    measured: dict[int, dict[str, float | None]] = {}
    for draw in draws:
        measured[draw] = {}
        for end, role in USES.items():
            is_unseen = (shown["role"] == USES[""]).to_numpy(bool)
            chosen = is_unseen if role == USES[""] else ~is_unseen & ~shown["identity"].isin(erased[draw]).to_numpy()
            identities = shown["identity"].to_numpy()[chosen]
            first, second = verification.sample_pairs(identities, maximum_pairs, seed)
            cosines = verification.cosine_similarities(embeddings[chosen], first, second)
            numbers = verification.verification_metrics(identities[first] == identities[second], cosines)
            measured[draw] |= {f"{name}{end}": value for name, value in numbers.items()}
    return measured


def measure_erasure(
    scores: pd.DataFrame, cost: pd.DataFrame, options: ErasureOptions, bootstrap: BootstrapOptions
) -> tuple[Metrics, pd.DataFrame, pd.DataFrame]:
    """Metrics, a verdict for each erased person, and one table of all methods and attackers.

    Metrics: variant → erasure → method → metric, of the first attacker, with utility and time; those of each attacker
    below their names.
    """
    from faceleak.metrics.erasure import judge_people
    from faceleak.metrics.erasure import measure_erasure as measure
    from faceleak.reporting.erasure import erasure_table, erasure_tree

    verdicts = judge_people(scores, options.gold, options.minimum_images)
    measured = measure(scores, options.gold, bootstrap)
    tree = erasure_tree(measured, verdicts, cost, options.gold, next(iter(options.attackers)))
    people = pd.DataFrame([asdict(verdict) for verdict in verdicts])
    return {UNDEFENDED: {"erasure": tree}}, people, erasure_table(tree)


def draw_erasure(metrics: Metrics) -> Figure:
    """The share still found by every method and attacker, beside what the method costs."""
    from faceleak.reporting.erasure import erasure_figure

    return erasure_figure(metrics[UNDEFENDED]["erasure"])
