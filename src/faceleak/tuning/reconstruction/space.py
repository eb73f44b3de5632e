"""From parameters of a trial to a search, and back; what has to hold of the space before a study begins."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError
from faceleak.reconstruction.options import ReconstructionOptions, SearchOptions
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.tuning.reconstruction.options import RANGES, ReconstructionTuningOptions, SearchSpace
from faceleak.tuning.space import OutsideSpaceError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

OBJECTIVE, LATENT_SPACE = "objective.{}", "latent_space"


def suggest_search(
    trial: "BaseTrial", space: SearchSpace, search: SearchOptions, prior: PriorOptions
) -> tuple[SearchOptions, PriorOptions]:
    """Let the trial choose: `search` and `prior` with other hyperparameters."""
    chosen = {
        "objective": {
            term: trial.suggest_categorical(OBJECTIVE.format(term), weights)
            for term, weights in space.objective.items()
        },
        "steps": trial.suggest_int("steps", *space.steps),
        "rounds": trial.suggest_int("rounds", *space.rounds),
        "learning_rate": trial.suggest_float("learning_rate", *space.learning_rate, log=True),
        "variation": trial.suggest_float("variation", *space.variation),
    }
    if space.latent_space:
        prior = _in_space(prior, trial.suggest_categorical(LATENT_SPACE, space.latent_space))
    return search.model_copy(update=chosen), prior


def _in_space(prior: PriorOptions, latent_space: str) -> PriorOptions:
    assert prior.stylegan2 is not None
    changed = prior.stylegan2.model_copy(update={LATENT_SPACE: latent_space})
    return prior.model_copy(update={"stylegan2": changed})


def parameters_of(search: SearchOptions, prior: PriorOptions, space: SearchSpace) -> dict[str, Any]:
    """The parameters of a trial that tries this search, which the space has to hold."""
    weights = {OBJECTIVE.format(term): search.objective.get(term, 0.0) for term in space.objective}
    spaces = {LATENT_SPACE: prior.stylegan2.latent_space} if space.latent_space and prior.stylegan2 else {}
    return weights | {name: getattr(search, name) for name in RANGES} | spaces


def search_of(
    parameters: Mapping[str, Any], space: SearchSpace, search: SearchOptions, prior: PriorOptions
) -> tuple[SearchOptions, PriorOptions]:
    """What a trial with these parameters tries."""
    from optuna.trial import FixedTrial

    return suggest_search(FixedTrial(dict(parameters)), space, search, prior)


def block_of(search: SearchOptions, prior: PriorOptions, space: SearchSpace) -> dict[str, Any]:
    """The part of the `reconstruction` block that tuning chooses; terms without effect stand there with weight 0."""
    block: dict[str, Any] = {"search": search.model_dump(mode="json", include={"objective", *RANGES})}
    if space.latent_space and prior.stylegan2 is not None:
        block["prior"] = {"stylegan2": {LATENT_SPACE: prior.stylegan2.latent_space}}
    return block


def with_block(
    block: Mapping[str, Any], search: SearchOptions, prior: PriorOptions
) -> tuple[SearchOptions, PriorOptions]:
    """`search` and `prior` as a block of `block_of` changes them."""
    changed = SearchOptions.model_validate(search.model_dump() | block["search"])
    return changed, _in_space(prior, block["prior"]["stylegan2"][LATENT_SPACE]) if "prior" in block else prior


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
