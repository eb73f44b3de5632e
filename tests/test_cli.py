"""What `kedro run` answers to a command line, or a configuration, that asks for what is not there: one message."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.project import configure_project
from kedro.framework.startup import bootstrap_project

from faceleak.cli import cli

PROJECT = Path(__file__).parents[1]
CONF = {"globals.yml": "data: data/mine\n"}


@pytest.fixture(scope="module", autouse=True)
def _bootstrapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    bootstrap_project(make_project(tmp_path_factory.mktemp("project")))
    yield
    configure_project("faceleak")


@pytest.fixture(autouse=True)
def _in_a_folder_with_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(make_project(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def make_project(folder: Path) -> Path:
    (folder / "conf").mkdir()
    for environment in (PROJECT / "conf").iterdir():
        (folder / "conf" / environment.name).symlink_to(environment)
    (folder / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    (folder / "src").mkdir()
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["run", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--env=smokee"],
            "There is no environment 'smokee'. Did you mean 'smoke'? Known: attacks, base, celeba,",
        ),
        (["--pipelines=membershp,plan"], "There is no pipeline 'membershp'. Did you mean 'membership'? Known:"),
        (["--pipelines=compare"], "is gone: run `kedro run --pipelines=faces,repeats` instead."),
        (["--pipelines=tuning_reconstruction"], "run `kedro run --pipelines=tuning --tags=reconstruction` instead."),
        (["--pipelines=attack,target"], "attack and target both make `target`"),
        (
            ["--pipelines=target", "--from-nodes=nope"],
            "named ['nope']. The nodes that can be chosen: get_target,",
        ),
        (["--pipelines=report", "--nodes=a,b"], "The nodes that can be chosen: compose_report, write_report."),
        (["--pipelines=report", "--to-outputs=nope"], "datasets named ['nope']."),
        (["--pipelines=report", "--tags=nope"], "Pipeline contains no nodes after applying all provided filters"),
        (["--pipelines=report", "--namespaces=nope"], "namespaces: ['nope']."),
        (["--runner=Sequential"], "--runner or --runner-params cannot be used"),
        (["--runner-params=max=3"], "--runner or --runner-params cannot be used"),
        (["--config=none.yml"], "'none.yml' does not exist"),
        (["--params=plan.peeple=3"], "plan.peeple: unknown key (value 3)"),
        (["--load-versions=splits"], "'dataset_name:YYYY-MM-DDThh.mm.ss.sssZ',found splits instead"),
    ],
)
def test_a_command_for_what_is_not_there_ends_with_one_message(arguments: list[str], message: str) -> None:
    ended = run(*arguments)
    assert message in ended.output
    assert_nothing_was_done(ended)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pipelines: report\n", "The file of --config cannot be read: 'run'. It holds a block `run`"),
        ("run: [\n", "The file of --config cannot be read: while parsing"),
        ("run:\n  pipelins: report\n", "Key `pipelins` in provided configuration is not valid"),
    ],
)
def test_a_file_of_options_that_is_none_ends_with_one_message(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.yml").write_text(content)
    ended = run("--config=run.yml")
    assert message in ended.output
    assert_nothing_was_done(ended)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"parameters_faces.yml": "faces:\n  source: demo\n bad: [1\n"}, "parameters_faces.yml, unable to read line 2"),
        ({f"parameters_{name}.yml": "bootstrap: {seed: 1}\n" for name in "ab"}, "Duplicate keys found in"),
        ({"parameters_a.yml": "bootstrap: {seed: '${globals:nope}'}\n"}, "Globals key 'nope' not found"),
        ({"parameters_a.yml": "membership: {attacks: {bn_distance (late): {signals: [bn_distance]}}}\n"}, "(late)"),
    ],
)
def test_a_configuration_that_cannot_be_read_ends_with_one_message(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    folder = tmp_path / "conf/mine"
    folder.mkdir()
    for name, content in {**CONF, **files}.items():
        (folder / name).write_text(content)
    ended = run("--env=mine", "--pipelines=report")
    assert message in ended.output
    assert_nothing_was_done(ended)


def test_a_message_names_commands_for_the_environment_of_the_run() -> None:
    ended = run("--env=public-casia", "--pipelines=repeats")
    assert ended.exit_code == 1
    assert "(kedro run --pipelines=attack,report --env=public-casia)" in ended.output


def assert_nothing_was_done(ended: Result) -> None:
    assert ended.exit_code in (1, 2), ended.output
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert ended.output.count("Error:") == 1
    assert "Traceback" not in ended.output
    assert not Path("mlflow.db").exists()
    assert not Path("data").exists()
