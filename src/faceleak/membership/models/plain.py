"""Fitted models as plain data for JSON, and back."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from faceleak.membership.models.scaling import Scaling


@dataclass(frozen=True)
class PlainData:
    """What fitted models are: dataclasses of numbers, tuples and a `Scaling`."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{name: _restored(value) for name, value in content.items()})


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return Scaling.from_dict(value)
    return tuple(value) if isinstance(value, list) else value
