"""The report as data: any subset of results, every number, a schema that is published."""

import json

import jsonschema
import pandas as pd
import pytest

from faceleak.reporting.audit.document import SECTIONS, Audit, audit_schema, make_audit
from faceleak.reporting.audit.files import MADE_BY, ResultFiles
from faceleak.reporting.audit.page import audit_page, model_card
from faceleak.reporting.checks import ReportingError
from tests.reporting.audit.conftest import EVIL, PROJECT, inventory, write_everything, write_json

FILES = sorted(name for names in MADE_BY.values() for name in names)


def texts(audit: Audit) -> str:
    return json.dumps(audit.model_dump(mode="json"), ensure_ascii=False)


def test_the_published_schema_is_the_schema():
    """Written by: json.dumps(audit_schema(), indent=2)."""
    assert json.loads((PROJECT / "docs/audit.schema.json").read_text()) == audit_schema()


def test_the_report_follows_its_schema_and_can_be_read_back(report):
    written = report.model_dump(mode="json")
    jsonschema.validate(written, audit_schema())
    assert Audit.model_validate_json(json.dumps(written)) == report


def test_every_section_has_results_where_all_are_there(report):
    assert [section.id for section in report.sections] == [
        *("target", "data", "threat-models", "membership", "reconstruction", "tuning", "several-targets", "defenses"),
        *("erasure", "gate", "further", "limits", "reproduce"),
    ]
    missing = [block.what for section in report.sections for block in section.blocks if block.kind == "missing"]
    assert missing == []


@pytest.mark.parametrize("name", ["missing"])
def test_each_section_says_which_command_makes_what_is_missing(attacked, evidence_of, name):
    audit = make_audit(evidence_of(attacked))
    commands = {
        section.id: {block.command for block in section.blocks if block.kind == name} for section in audit.sections
    }
    for section, pipeline in {
        "target": "target",
        "data": "faces",
        "reconstruction": "reconstruction",
        "several-targets": "repeats",
        "defenses": "defense",
        "erasure": "erasure",
        "gate": "gate",
    }.items():
        assert commands[section] == {f"kedro run --pipelines={pipeline} --env=lfw"}, section


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All results, in a folder of which a test may take a file away if it puts it back."""
    folder = tmp_path_factory.mktemp("everything")
    write_everything(folder)
    return folder


@pytest.mark.parametrize("left_out", FILES)
def test_any_single_file_may_be_missing(everything, evidence_of, left_out):
    file = everything / "08_reporting" / left_out
    if there := file.exists():
        file.rename(everything / "away")
    audit = make_audit(evidence_of(everything))
    if there:
        (everything / "away").rename(file)
    assert len(audit.sections) == len(SECTIONS)
    assert model_card(audit).startswith("## Privacy audit")


def test_without_any_results_there_is_nothing_to_report(tmp_path, evidence_of):
    with pytest.raises(ReportingError, match="Run an audit first: kedro run --pipelines=attack --env=lfw"):
        make_audit(evidence_of(tmp_path))


def test_before_any_attack_the_report_says_that_nothing_was_tested(tmp_path, evidence_of):
    write_json(tmp_path / "08_reporting", "inventory.json", inventory())
    audit = make_audit(evidence_of(tmp_path))
    assert audit.summary.headline == "Nothing was tested yet."
    assert [action.command for action in audit.summary.actions] == ["kedro run --pipelines=attack --env=lfw"]
    assert "Nothing was tested yet." in audit_page(audit, evidence_of(tmp_path).files)


def test_metrics_that_no_section_knows_appear_all_the_same(report):
    (further,) = [section for section in report.sections if section.id == "further"]
    assert "score of trials" in texts(report.model_copy(update={"sections": (further,)}))
    flat = next(block for block in further.blocks if block.kind == "table" and "Prior metrics" in block.caption)
    assert (flat.columns, flat.rows[0][0]) == (("metrics of", "kid", "images"), "Prior metrics")
    assert report.metrics["new_metrics.json"][EVIL]["tuning"]["anything"]["score_of_trials"] == 0.123
    assert [block.file for block in further.blocks if block.kind == "figure"] == ["surprise.png"]


def test_evaluators_below_a_step_are_rows_of_its_table(report):
    (reconstruction,) = [section for section in report.sections if section.id == "reconstruction"]
    table = next(block for block in reconstruction.blocks if block.kind == "table")
    assert [row[0] for row in table.rows] == ["random", "best_random", "optimized", "optimized, evaluators, second"]


def test_erasures_are_told_method_by_method_and_person_by_person(report):
    (erasure,) = [section for section in report.sections if section.id == "erasure"]
    warnings = [block.text for block in erasure.blocks if block.kind == "paragraph" and block.warning]
    assert [text.partition(";")[0] for text in warnings] == ["Finetuning: still found"]
    by_attacker, cost, people = (block for block in erasure.blocks if block.kind == "table")
    assert [row[:2] for row in by_attacker.rows] == [("finetuning", "weights"), ("finetuning", "embeddings")]
    assert cost.rows[0][1].value == 0.8
    assert people.rows == ((0, "finetuning", "Ada Example", 0.01, "still found", "found"),)


def test_every_picture_of_a_reconstruction_has_words_of_its_own(report):
    (reconstruction,) = [section for section in report.sections if section.id == "reconstruction"]
    figures = {block.file: block.alt for block in reconstruction.blocks if block.kind == "figure"}
    assert {file for file in MADE_BY["reconstruction"] if file.endswith(".png")} == set(figures)
    assert len(set(figures.values())) == len(figures)


def test_results_that_contradict_each_other_are_told(tmp_path, evidence_of):
    write_everything(tmp_path)
    other = {"undefended": {"utility": {"verification_auc": 0.5}}}
    (tmp_path / "08_reporting/defense_utility_metrics.json").write_text(json.dumps(other))
    assert "Results do not belong together." in texts(make_audit(evidence_of(tmp_path)))


def test_results_that_are_much_older_than_the_target_are_told(tmp_path, evidence_of):
    import os

    write_everything(tmp_path)
    assert "perhaps of an earlier target" not in texts(make_audit(evidence_of(tmp_path)))
    os.utime(tmp_path / "08_reporting/membership_metrics.json", (1e9, 1e9))
    assert "perhaps of an earlier target: 08_reporting/membership_metrics.json." in texts(
        make_audit(evidence_of(tmp_path))
    )


def test_without_people_no_name_and_no_face_is_left(tmp_path, evidence_of, parameters):
    write_everything(tmp_path)
    hidden = parameters.report.model_copy(update={"show_people": False})
    audit = make_audit(evidence_of(tmp_path, report=hidden))
    page = audit_page(audit, evidence_of(tmp_path).files)
    assert "Example" not in texts(audit)
    assert "Example" not in page
    shown = [block.file for section in audit.sections for block in section.blocks if block.kind == "figure"]
    of_tuning = ("tuning_study.png", "tuning.png", "tuning_front.png", "tuning_reconstruction.png")
    assert shown == ["roc.png", "bn_distances.png", *of_tuning, "comparison.png", "risk_calibration.png", "erasure.png"]


@pytest.mark.parametrize("show_people", [True, False])
def test_what_was_left_out_is_counted_and_named_where_people_may_be(show_people, tmp_path, evidence_of, parameters):
    write_everything(tmp_path)
    quarantine = {"image_id": ["a/0.jpg", "a/1.jpg", "a"], "identity": ["a", "a", ""], "count": [1, 1, 7]}
    quarantine |= {"reason": ["It is 20×9.", "It is 20×9.", "They lie deeper, such as Eve Example/0/1.jpg."]}
    pd.DataFrame(quarantine).to_csv(tmp_path / "08_reporting/quarantine.csv", index=False)
    options = parameters.report.model_copy(update={"show_people": show_people})
    data = next(
        section for section in make_audit(evidence_of(tmp_path, report=options)).sections if section.id == "data"
    )
    found = data.model_dump_json()
    assert "Left out: 9 images and files" in found
    assert ("Eve Example" in found) is show_people
    if show_people:
        (table,) = [block for block in data.blocks if block.kind == "table" and block.columns[0] == "reason"]
        assert [row[1] for row in table.rows] == [7, 2]


def test_the_model_card_holds_answers_and_no_person(report):
    card = model_card(report)
    assert "### Can personal data be extracted from the model? Yes" in card
    assert "| Does the model remember somebody in particular? | 1 of 2 people stand out" in card
    assert "Example" not in card
    assert "\n\n\n" not in card


def test_files_are_listed_with_their_hashes(report):
    assert {"03_primary/splits.parquet", "08_reporting/membership_metrics.json", "06_models/target/backbone.json"} <= {
        used.file for used in report.files
    }


def test_tuning_stands_with_its_gap_and_what_it_is_worth(report):
    (tuning,) = [section for section in report.sections if section.id == "tuning"]
    attack, search = (block for block in tuning.blocks if block.kind == "table")
    assert [row[0] for row in attack.rows] == ["fused_shadow", "tuned", "tuned minus fused_shadow"]
    assert attack.columns == ("attack", "own data", "fresh people", "gap")
    assert [cell.value for cell in attack.rows[1][1:]] == pytest.approx([0.95, 0.9, 0.05])
    assert (search.columns[-1], search.rows[1][-1].value) == ("steps per face", 150.0)
    assert (search.rows[2][1], search.rows[2][2].value) == (None, 0.0)
    said = [block.text for block in tuning.blocks if block.kind == "paragraph"]
    assert "tuned and default cannot be told apart" in said[2]
    (further,) = [section for section in report.sections if section.id == "further"]
    assert "fresh auc" not in texts(report.model_copy(update={"sections": (further,)}))


def test_where_nothing_was_tuned_the_commands_are_named(tmp_path, evidence_of):
    write_json(tmp_path / "08_reporting", "inventory.json", inventory())
    (tuning,) = [section for section in make_audit(evidence_of(tmp_path)).sections if section.id == "tuning"]
    assert [block.command for block in tuning.blocks] == ["kedro run --pipelines=tuning --env=lfw"] * 2


def made_with(folder, file, parameters, **changes):
    """Write down that a result was made with another configuration."""
    blocks = json.loads(parameters.model_dump_json())
    for setting, value in changes.items():
        *path, last = setting.split("__")
        block = blocks
        for key in path:
            block = block[key]
        block[last] = value
    taken = {
        name: blocks[name] for name in ("faces", "target", "membership", "attackers", "reconstruction", "bootstrap")
    }
    command = "kedro run --pipelines=attack --params=…"
    ResultFiles(folder).write_down(file, command, {name: blocks[name] for name in taken})


def table(audit, section, caption):
    (found,) = [section_ for section_ in audit.sections if section_.id == section]
    return next((block for block in found.blocks if block.kind == "table" and caption in block.caption), None)


def test_the_report_tells_what_results_were_made_with_and_warns_where_that_has_changed(
    tmp_path, evidence_of, parameters
):
    write_everything(tmp_path)
    changed = {"reconstruction__targeted__people": 40, "reconstruction__search__candidates": 777}
    made_with(tmp_path, "reconstruction_metrics.json", parameters, **changed)
    made_with(tmp_path, "membership_metrics.json", parameters, bootstrap__level=0.9)
    audit = make_audit(evidence_of(tmp_path))
    settings = dict(table(audit, "threat-models", "Reconstruction: the attacker's generator").rows)
    assert (settings["targeted.people"], settings["search.candidates"]) == (40, 777)
    assert "out of 777 candidates" in texts(audit)
    assert "Brackets: 90 % intervals over people" in audit.summary.reading
    (limits,) = [section for section in audit.sections if section.id == "limits"]
    (warning,) = [block.text for block in limits.blocks if block.kind == "paragraph" and block.warning]
    assert "reconstruction.targeted.people was 40 for reconstruction_metrics.json and is 50" in warning
    assert "bootstrap.level was 0.9 for membership_metrics.json and is 0.95" in warning
    assert "the settings of the time, of which 3 settings changed since" in model_card(audit)
    rows = table(audit, "reproduce", "Settings that have changed").rows
    assert ("reconstruction.targeted.people", "50", "40", "reconstruction_metrics.json") in rows
    files = {row[0]: row[3] for row in table(audit, "reproduce", "files that the report was made from").rows}
    assert files["08_reporting/membership_metrics.json"] == "kedro run --pipelines=attack --params=…"


def test_results_of_the_present_configuration_are_reported_without_a_warning(tmp_path, evidence_of, parameters):
    write_everything(tmp_path)
    evidence = evidence_of(tmp_path)
    for file in evidence.results:
        made_with(tmp_path, file, parameters)
    audit = make_audit(evidence_of(tmp_path))
    assert evidence_of(tmp_path).changes == []
    assert table(audit, "reproduce", "Settings that have changed") is None
    assert "has changed since" not in texts(audit)
    assert "Nobody has written down" not in texts(audit)


def test_results_of_which_nobody_knows_what_they_were_made_with_are_named(tmp_path, evidence_of, parameters):
    write_everything(tmp_path)
    made_with(tmp_path, "membership_metrics.json", parameters, membership__targets="a word of another version")
    told = texts(make_audit(evidence_of(tmp_path)))
    assert "Nobody has written down what these results were made with" in told
    assert evidence_of(tmp_path).not_written_down[:2] == ["03_primary/splits.parquet", "06_models/target/backbone.json"]
    assert "membership_metrics.json" in evidence_of(tmp_path).not_written_down
