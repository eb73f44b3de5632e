"""Commands as messages name them."""

import subprocess
import sys

import pytest

from faceleak.common.errors import ENVIRONMENT, kedro_run, run_in


@pytest.mark.parametrize(
    ("environment", "command"),
    [
        (None, "kedro run --pipelines=faces"),
        ("base", "kedro run --pipelines=faces"),
        ("lfw", "kedro run --pipelines=faces --env=lfw"),
    ],
)
def test_a_command_is_for_the_environment_of_the_run(
    environment: str | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, "of another run")
    run_in(environment)
    assert kedro_run("faces") == command
    assert kedro_run("faces", "smoke") == "kedro run --pipelines=faces --env=smoke"
    assert kedro_run("faces", "base") == "kedro run --pipelines=faces"


def test_workers_know_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "")
    run_in("lfw")
    code = "from faceleak.common.errors import kedro_run; print(kedro_run('prior'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "kedro run --pipelines=prior --env=lfw\n"
