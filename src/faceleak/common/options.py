"""The base of all configuration models: unknown keys are refused, values are not changed after validation."""

import re
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

LONGEST_NAME = 100  # bytes: a metric's name has room for 250 characters, a file's for 255 bytes


SPELLED = {  # keys as they were called once → as they are
    "normalisation": "normalization",
    "regularisation": "regularization",
    "optimiser": "optimizer",
    "colour_order": "color_order",
    "undoing_images": "bypass_images",
}


class Options(BaseModel):
    """A block of the configuration. Fields without a default must be given in `conf/`.

    What a field means stands below it, as the reference shows it: its unit, and its range if the type does not tell.
    In a mapping of entries, `null` takes an entry away: an environment adds to what base has, and could not remove it.
    GONE names the keys that were once in a block, each with what there is in its place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    GONE: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _take_entries_away(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        gone = [f"`{key}` is gone: {cls.GONE[key]}" for key in given if key in cls.GONE]
        spelled = [(key, SPELLED[key]) for key in given if SPELLED.get(key) in cls.model_fields]
        if gone := gone + [f"`{key}` is spelled `{now}` now" for key, now in spelled]:
            raise ValueError("; ".join(gone))
        return {
            name: {key: entry for key, entry in value.items() if entry is not None}
            if name in _mappings(cls) and isinstance(value, dict)
            else value
            for name, value in given.items()
        }


@cache
def _mappings(model: type[BaseModel]) -> frozenset[str]:
    """The fields that hold entries by name, of which null is none."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is dict and not _may_be_null(get_args(field.annotation)[1])
    )


def _may_be_null(kind: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(None)
    except ValidationError:
        return False
    return True


def settings_beside(model: type[Options], given: Any) -> Any:
    """What is given for a part and its `settings`, which are keys next to the model's own in the configuration."""
    if not isinstance(given, dict) or "settings" in given:
        return given
    named = {key: value for key, value in given.items() if key in model.model_fields}
    return {**named, "settings": {key: value for key, value in given.items() if key not in model.model_fields}}


def checked(model: type[Options], settings: dict[str, Any], part: str) -> Options:
    """The settings of `part` as its own model. Raises ValueError, which names all that is wrong and what is allowed."""
    try:
        return model(**settings)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']} (got {problem['input']!r})"
            for problem in error.errors()
        ]
        allowed = ", ".join(model.model_fields) or "none"
        raise ValueError(f"{part}: {'; '.join(problems)}; its settings are {allowed}") from error


def describe(problem: ErrorDetails) -> str:
    """A sentence or two: the whole name of the key, its value, what is wrong with it and what to do."""
    key = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "parameters"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key (value {problem['input']!r}). Remove it or correct its spelling."
    if problem["type"] == "missing":
        return f"{key}: missing. Give it a value."
    if problem["type"] == "value_error":
        return f"{key}: {problem['msg'].removeprefix('Value error, ').removesuffix('.')}."
    hint = " If it is a name, put it in quotes: YAML reads it otherwise." if problem["type"] == "string_type" else ""
    return f"{key}: {problem['input']!r} is not allowed. {problem['msg']}.{hint}"


def be_a_name(text: str) -> str:
    """The text, if it can be a name. Raises ValueError otherwise."""
    if not re.fullmatch(r"\w([\w .-]*[\w-])?", text) or len(text.encode()) > LONGEST_NAME:
        raise ValueError(
            f"{text!r} cannot be a name, which becomes a part of names of metrics, parameters and files: it takes "
            f"letters, digits, `_`, `-`, and inside also `.` and spaces, {LONGEST_NAME} bytes at most"
        )
    return text


Name = Annotated[str, AfterValidator(be_a_name)]  # that a user gives to something


class TrackingOptions(Options):
    """What MLflow records in addition to parameters and metrics."""

    system_metrics: bool = True
    """Whether MLflow records the load of the machine."""


Aggregation = Literal["mean", "max", "log_sum_exp", "median"]  # of the scores of a person's images
