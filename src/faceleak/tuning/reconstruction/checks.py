"""What has to hold before a study begins."""

from faceleak.common.errors import FaceleakError
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.tuning.checks import OutsideSpaceError
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions


class ShadowSearchError(FaceleakError):
    """The search is guided by an attack that shadows teach, so that no shadow is left to be the target."""


def check_search(reconstruction: ReconstructionOptions, options: ReconstructionTuningOptions) -> None:
    """Raise OutsideSpaceError where the space does not hold the configured search, ShadowSearchError under `shadow`."""
    if reconstruction.search.threat_model == "shadow":
        raise ShadowSearchError(
            "reconstruction.search.threat_model is `shadow`, and searches are tuned on a reference backbone as target, "
            "whose people all shadows know. Tune with --params=reconstruction.search.threat_model=partial_knowledge."
        )
    if reasons := options.space.outside(reconstruction.search, reconstruction.prior):
        raise OutsideSpaceError(
            f"tuning_reconstruction.space does not hold reconstruction.search: {', '.join(reasons)}. It is tried "
            "first, so that tuning can be compared with it. Widen the space, or change reconstruction.search."
        )
