"""faceleak: how much does a face-recognition backbone give away about the people it was trained on?

The names in `__all__` are for everybody; all others are faceleak's own and may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceleak.auditing.audit import audit
    from faceleak.auditing.given import Faces, load_backbone
    from faceleak.auditing.result import Audit
    from faceleak.common.errors import FaceleakError

__version__ = "0.1.0"
__all__ = ["Audit", "FaceleakError", "Faces", "audit", "load_backbone"]

_FROM = {  # what is public → its module, imported when it is asked for: Kedro starts faster without them
    "Audit": "faceleak.auditing.result",
    "Faces": "faceleak.auditing.given",
    "FaceleakError": "faceleak.common.errors",
    "audit": "faceleak.auditing.audit",
    "load_backbone": "faceleak.auditing.given",
}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'faceleak' has no attribute {name!r}; what is public: {', '.join(__all__)}")
    return getattr(import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
