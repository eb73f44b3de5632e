"""Answers of a person: read, counted, and compared with evaluators."""

import json
from pathlib import Path

import pytest

from faceleak.metrics.blind_answers import AnswersError, BlindAnswers, read_answers
from faceleak.metrics.blind_judgement import count_answers, in_words
from faceleak.metrics.blind_key import BlindKey, Question
from faceleak.metrics.options import BootstrapOptions

OPTIONS = BootstrapOptions(resamples=100)


def question(kind: str, identity: str, matches: bool, other: bool | None = None) -> Question:
    accepted = {"first": matches, "second": matches if other is None else other}
    return Question(kind=kind, step="optimised", number=0, identity=identity, matches=matches, accepted_by=accepted)


def key_of(*questions: Question) -> BlindKey:
    return BlindKey(sheet="abc", seed=0, questions={f"q{i}": asked for i, asked in enumerate(questions)})


def count(key: BlindKey, *said: str) -> dict:
    answers = {f"q{i}": answer for i, answer in enumerate(said) if answer}
    return count_answers(key, BlindAnswers(sheet="abc", answers=answers), OPTIONS)


def test_rates_and_kappa_by_hand():
    matching = [question("member", f"m{i}", i < 6) for i in range(10)]
    key = key_of(*matching, *(question("control", f"c{i}", False) for i in range(5)), question("random", "m0", False))
    said = ["yes"] * 5 + ["no"] + ["yes"] + ["no"] * 2 + ["cannot_say"] + ["no"] * 4 + [""] + ["no"]
    found = count(key, *said)
    member, control, random = (found["answers"][kind] for kind in ("member", "control", "random"))
    assert (member["yes_rate"], member["cannot_say_rate"], member["answered"], member["asked"]) == (0.6, 0.1, 10, 10)
    assert (control["yes_rate"], control["answered"], control["asked"]) == (0, 4, 5)
    assert random["answered"] == 1
    # 14 decided: both yes 5, the person alone 1, the evaluators alone 1, neither 7: 12/14 agree, by chance
    # (6·6 + 8·8) / 14² = 100/196
    assert found["agreement"]["answered"] == 14
    assert found["agreement"]["kappa"] == pytest.approx((12 / 14 - 100 / 196) / (1 - 100 / 196))
    assert found["agreement"]["kappa_ci_low"] < found["agreement"]["kappa"] < found["agreement"]["kappa_ci_high"]
    assert found["agreement"]["evaluators"]["first"] == {
        name: value for name, value in found["agreement"].items() if name != "evaluators"
    }
    assert in_words(found)[0].startswith("member: 10 of 10 answered, yes 0.60 [")
    assert in_words(found)[-1].startswith("agreement with the evaluators: kappa 0.71 [")


def test_evaluators_are_compared_one_by_one():
    key = key_of(*(question("member", f"m{i}", i < 4, other=i % 2 == 0) for i in range(8)))
    agreement = count(key, *["yes"] * 4, *["no"] * 4)["agreement"]
    assert agreement["kappa"] == agreement["evaluators"]["first"]["kappa"] == 1
    assert agreement["evaluators"]["second"]["kappa"] == pytest.approx(0)


def test_a_rate_of_zero_from_few_is_no_certainty_and_one_person_often_is_one_finding():
    few = count(key_of(*(question("member", f"m{i}", False) for i in range(10))), *["no"] * 10)
    assert few["answers"]["member"]["yes_rate"] == 0
    assert few["answers"]["member"]["yes_rate_ci_high"] == pytest.approx(0.278, abs=0.001)  # Wilson
    apart = count(key_of(*(question("member", f"m{i}", True) for i in range(40))), *["yes", "no"] * 20)
    two = count(key_of(*(question("member", f"m{i % 2}", True) for i in range(40))), *["yes", "no"] * 20)
    widths = [
        found["answers"]["member"]["yes_rate_ci_high"] - found["answers"]["member"]["yes_rate_ci_low"]
        for found in (apart, two)
    ]
    assert widths[0] < 0.4
    assert widths[1] == 1


def test_kappa_without_two_answers_is_undefined():
    key = key_of(*(question("member", f"m{i}", True, other=i < 2) for i in range(4)))
    for said in (["yes"] * 4, ["yes", "no"] * 2):  # 4 times yes, all of them right, is no more than chance either
        agreement = count(key, *said)["agreement"]
        assert agreement["kappa"] is agreement["kappa_ci_low"] is None
    assert agreement["evaluators"]["second"]["kappa"] == 0
    assert "undefined" in in_words(count(key, *["cannot_say"] * 4))[-1]
    assert count(key, *["cannot_say"] * 4)["agreement"]["answered"] == 0


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_answers_are_read_as_the_page_saves_them(tmp_path: Path):
    key = key_of(question("member", "m0", True), question("control", "c0", False))
    path = write(tmp_path / "answers.json", {"sheet": "abc", "answers": {"q1": "cannot_say"}})
    assert read_answers(path, key).answers == {"q1": "cannot_say"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Invalid JSON"),
        ({"sheet": "abc", "answers": {}}, "answers: .*at least 1 item"),
        ({"sheet": "abc", "answers": {"q0": "maybe"}}, "answers.q0: Input should be 'yes', 'no' or 'cannot_say'"),
        ({"sheet": "abc", "answers": {"q0": "yes"}, "name": "Ada"}, "name: Extra inputs"),
        ({"sheet": "xyz", "answers": {"q0": "yes"}}, "answers the sheet xyz, but blind_key.json belongs to abc"),
        ({"sheet": "abc", "answers": {"q0": "yes", "q7": "no"}}, "does not ask: q7"),
    ],
)
def test_answers_that_cannot_be_counted_are_refused(tmp_path: Path, content: object, message: str):
    path = write(tmp_path / "answers.json", content)
    with pytest.raises(AnswersError, match=message):
        read_answers(path, key_of(question("member", "m0", True)))


def test_missing_answers_say_where_they_come_from(tmp_path: Path):
    with pytest.raises(AnswersError, match=r"no answers at .*none.json .*Open blind_sheet.html"):
        read_answers(tmp_path / "none.json", key_of(question("member", "m0", True)))
