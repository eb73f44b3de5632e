"""Where a run comes from."""

import pytest

from faceleak.runs import origin


@pytest.mark.parametrize(
    ("run_params", "command"),
    [
        ({}, "kedro run"),
        ({"pipeline_names": ["attack", "report"], "env": "lfw"}, "kedro run --pipelines=attack,report --env=lfw"),
        ({"runtime_params": {"target.train.epochs": 20}}, "kedro run --params=target.train.epochs=20"),
        ({"runtime_params": {"target": {"train": {"epochs": 20}}}}, "kedro run --params=target.train.epochs=20"),
        ({"pipeline_names": ["tuning"], "tags": ("membership",)}, "kedro run --pipelines=tuning --tags=membership"),
        ({"runtime_params": {"a": "two words"}}, "kedro run '--params=a=two words'"),
    ],
)
def test_the_command_runs_the_same_again(run_params: dict[str, object], command: str) -> None:
    assert origin.command(run_params) == command


def test_a_run_is_described_by_commit_environment_and_software() -> None:
    described = origin.describe({"env": "smoke"})
    assert described["environment"] == "smoke"
    assert described["software"]["faceleak"] == "0.1.0"
    assert described["software"]["Python"].startswith("3.")
    assert len(described["commit"]) in (0, 40)


def test_outside_of_a_repository_there_is_no_commit(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin.commit() == ""
    assert origin.has_uncommitted_changes() is False
