"""All parameters as one model, checked before any work."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from faceleak.backbones.target_options import TargetOptions
from faceleak.compute import ComputeOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.errors import FaceleakError
from faceleak.faces.options import FacesOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.intervals import BootstrapOptions
from faceleak.options import Options
from faceleak.reconstruction.options import ReconstructionOptions


class ConfigurationError(FaceleakError):
    """A parameter in `conf/` or on the command line is unknown or has a wrong value."""


class Parameters(Options):
    """Everything under `conf/<env>/parameters*.yml`."""

    compute: ComputeOptions = ComputeOptions()
    bootstrap: BootstrapOptions = BootstrapOptions()
    faces: FacesOptions
    target: TargetOptions
    membership: MembershipOptions
    attackers: list[AttackerName] = ["plain"]
    reconstruction: ReconstructionOptions
    defense: DefenseOptions


def check_parameters(parameters: dict[str, Any]) -> Parameters:
    """Validate all parameters. Raises ConfigurationError with a line for each problem."""
    try:
        return Parameters.model_validate(parameters)
    except ValidationError as error:
        lines = "\n".join(f"  {_describe(problem)}" for problem in error.errors())
        raise ConfigurationError(
            f"The configuration is not valid, so nothing was run:\n{lines}\nParameters live in conf/base and conf/<env>."
        ) from error


def _describe(problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key (value {problem['input']!r}). Remove it or correct its spelling."
    if problem["type"] == "missing":
        return f"{key}: missing. Give it a value."
    return f"{key}: {problem['input']!r} is not allowed. {problem['msg']}."
