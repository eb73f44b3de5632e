"""Where faces come from: one file a kind of source, all read in the same way, and sources of the user's own."""

from typing import TYPE_CHECKING, Any, Protocol

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.faces.sources.source import ImageSource


class SourceModule(Protocol):
    """What defines a source of the user's own. Settings: a model of what `settings` in the configuration says."""

    Settings: type[Options]

    def open_source(self, settings: Any) -> "ImageSource":
        """Open the source; its images are read later, one at a time. Raises SourceError if it is missing."""
        ...
