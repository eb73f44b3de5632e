import itertools

import numpy as np
import pandas as pd

from faceleak.metrics.blind_key import choose_questions

THRESHOLDS = {"one": 0.5, "two": 0.3}


def findings(optimised: int, latents: int) -> pd.DataFrame:
    """Face i of a step resembles member m<i> with a cosine of i / 10, control c<i> with 0; even ones match."""
    tables = []
    for step, count in (("random", latents), ("untrained_guided", 5), ("optimised", optimised)):
        i = np.arange(count)
        table = pd.DataFrame({"step": step, "number": i, "matches_member": i % 2 == 0, "matches_control": False})
        table["member_identity"], table["control_identity"] = [f"m{k}" for k in i], [f"c{k}" for k in i]
        for name in THRESHOLDS:
            table[f"member_similarity.{name}"], table[f"control_similarity.{name}"] = i / 10, 0.0
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_each_kind_is_drawn_beside_its_own_people_and_no_face_twice():
    questions = choose_questions(findings(30, 25), THRESHOLDS, 10, 0)
    assert list(questions) == [f"q{place}" for place in range(1, 31)]
    by_kind: dict[str, list] = {}
    for question in questions.values():
        by_kind.setdefault(question.kind, []).append(question)
    assert {kind: len(of_kind) for kind, of_kind in by_kind.items()} == {"member": 10, "control": 10, "random": 10}
    for kind, letter, step in (("member", "m", "optimised"), ("control", "c", "optimised"), ("random", "m", "random")):
        assert all(q.identity == f"{letter}{q.number}" and q.step == step for q in by_kind[kind])
    reconstructions = [q.number for q in by_kind["member"] + by_kind["control"]]
    assert len(set(reconstructions)) == 20
    assert not any(q.matches or any(q.accepted_by.values()) for q in by_kind["control"])
    for question in by_kind["member"]:
        assert question.matches == (question.number % 2 == 0)
        assert question.accepted_by == {"one": question.number >= 5, "two": question.number >= 3}


def test_the_order_tells_nothing_and_depends_on_the_seed():
    table = findings(200, 200)
    first, again, other = (choose_questions(table, THRESHOLDS, 50, seed) for seed in (0, 0, 1))
    assert first == again != other
    kinds = [question.kind for question in first.values()]
    changes = sum(one != next_one for one, next_one in itertools.pairwise(kinds))
    assert 80 <= changes <= 120  # of 149; 99 are expected of three kinds in random order
    assert [q.number for q in first.values() if q.kind == "member"] != sorted(
        q.number for q in first.values() if q.kind == "member"
    )


def test_few_faces_are_shared_by_the_kinds():
    kinds = [question.kind for question in choose_questions(findings(5, 2), THRESHOLDS, 20, 0).values()]
    assert sorted(kinds) == ["control"] * 2 + ["member"] * 3 + ["random"] * 2
