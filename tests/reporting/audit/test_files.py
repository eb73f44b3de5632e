"""Result files: missing ones, broken ones, and what is remembered of those that were read."""

import hashlib

import pytest

from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.checks import ReportingError


def test_what_is_missing_is_none(attacked):
    files = ResultFiles(attacked)
    assert (files.tree("inventory.json"), files.table("hits.csv"), files.text("recommendation.md")) == (None,) * 3
    assert not files.has("inventory.json")
    assert files.used == []


def test_files_that_were_read_are_remembered_with_their_hash(attacked):
    files = ResultFiles(attacked)
    files.tree("membership_metrics.json")
    (used,) = files.used
    assert used.file == "08_reporting/membership_metrics.json"
    assert used.sha256 == hashlib.sha256((attacked / used.file).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "read", "told"),
    [
        ("inventory.json", ResultFiles.tree, "is no JSON.*kedro run --pipelines=target"),
        ("hits.csv", ResultFiles.table, "is no table.*kedro run --pipelines=reconstruction"),
    ],
)
def test_a_broken_file_is_named_with_what_makes_it_again(attacked, name, read, told):
    (attacked / "08_reporting" / name).write_text("")
    with pytest.raises(ReportingError, match=told):
        read(ResultFiles(attacked), name)


def test_a_file_that_may_not_be_read_is_named(attacked, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(ReportingError, match=r"membership_metrics.json cannot be read \(Permission denied\)"):
        ResultFiles(attacked).tree("membership_metrics.json")


def test_a_table_is_read_once(complete, monkeypatch):
    files = ResultFiles(complete)
    first = files.table("identity_risks.csv")
    monkeypatch.setattr("pandas.read_csv", None)
    assert files.table("identity_risks.csv") is first


def test_people_keep_the_names_that_look_like_numbers_or_nothing(tmp_path):
    (tmp_path / "08_reporting").mkdir()
    (tmp_path / "08_reporting" / "hits.csv").write_text("evaluation,identity,faces\nnull,07201,3\nnull,NA,\n")
    hits = ResultFiles(tmp_path).table("hits.csv")
    assert hits[["evaluation", "identity"]].to_numpy().tolist() == [["null", "07201"], ["null", "NA"]]
    assert hits["faces"].isna().tolist() == [False, True]
