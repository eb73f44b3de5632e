"""Every command of the docs can be run as it is written."""

import pytest

from .commands import Command, check, commands


@pytest.mark.parametrize("command", commands(), ids=lambda command: f"{command.file}: {command.line}")
def test_a_command_of_the_docs_can_be_run(command: Command) -> None:
    check(command.words)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("kedro run --pipelines=attak", "no pipeline attak"),
        ("kedro run --env=lwf", "no environment lwf"),
        ("kedro run --params=target.train.epoch=20", "target.train.epoch: unknown key"),
        ("kedro run --params=target.train.epochs=-1", "greater than or equal to 0"),
        ("kedro run --pipelined=attack", "No such option"),
        ("kedro run --config=data/attack.yml", "no pipeline writes data/attack.yml"),
        ("kedro vis run", "kedro has no command vis"),
        ("dvc repro membershp", "no stage membershp"),
        ("dvc exp run -S conf/base/parameters_target.yml:target.train.epoch=1", "has no key"),
        ("make atack", "no such target"),
        ("python -m benchmarks.fit", "no module benchmarks.fit"),
        ("kredo run", "no command"),
    ],
)
def test_one_that_cannot_is_found(line: str, complaint: str) -> None:
    with pytest.raises(Exception, match=complaint):
        check(line.split())
