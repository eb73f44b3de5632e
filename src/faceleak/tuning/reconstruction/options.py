"""Configuration of the stage `reconstruction` of the `tuning` pipeline."""

from pydantic import Field, model_validator

from faceleak.common.options import Options
from faceleak.reconstruction.objectives import TermName
from faceleak.reconstruction.options import SearchOptions, Weight
from faceleak.reconstruction.priors.options import LatentSpaceName, PriorOptions
from faceleak.tuning.options import StudyOptions

RANGES = ("steps", "rounds", "learning_rate", "variation")


class SearchSpace(Options):
    """The searches to choose from. Of two bounds the smaller one comes first, and both are included."""

    objective: dict[TermName, list[Weight]] = Field(min_length=1)
    """Weights to choose from for each term; 0 leaves it out."""
    steps: tuple[int, int]
    """Bounds of `steps`, from 0 on."""
    rounds: tuple[int, int]
    """Bounds of `rounds`, from 1 on."""
    learning_rate: tuple[float, float]
    """Bounds of `learning_rate`, from 1e-6 on, searched on a log scale."""
    variation: tuple[float, float]
    """Bounds of `variation`, in 0…1, 1 excluded."""
    latent_space: list[LatentSpaceName] = Field(default_factory=list)
    """Latent spaces of a `stylegan2` prior to choose from; empty keeps the configured one."""

    @model_validator(mode="after")
    def _have_ranges(self) -> "SearchSpace":
        lowest = {"steps": 0, "rounds": 1, "learning_rate": 1e-6, "variation": 0}
        for name in RANGES:
            low, high = getattr(self, name)
            if not lowest[name] <= low <= high:
                raise ValueError(
                    f"{name} is {low} to {high}; it takes two numbers from {lowest[name]} on, the smaller one first"
                )
        if self.variation[1] >= 1:
            raise ValueError(f"variation goes up to {self.variation[1]}; it takes numbers below 1")
        return self

    @model_validator(mode="after")
    def _always_maximizes_something(self) -> "SearchSpace":
        if empty := [term for term, weights in self.objective.items() if not weights]:
            raise ValueError(f"objective.{empty[0]} has no weights to choose from")
        if not any(min(weights) > 0 for weights in self.objective.values()):
            raise ValueError("objective: give one term weights above 0 only, so that every trial maximizes something")
        return self

    def outside(self, search: SearchOptions, prior: PriorOptions) -> list[str]:
        """Why the space does not hold this search; nothing where it does."""
        reasons = [
            f"`{name}` does not hold {getattr(search, name)}"
            for name in RANGES
            if not getattr(self, name)[0] <= getattr(search, name) <= getattr(self, name)[1]
        ]
        reasons += [
            f"`objective.{term}` lacks {search.objective.get(term, 0.0)}"
            for term in {**self.objective, **search.objective}
            if search.objective.get(term, 0.0) not in self.objective.get(term, [0.0])
        ]
        if self.latent_space and (prior.stylegan2 is None or prior.stylegan2.latent_space not in self.latent_space):
            of_prior = "one space alone" if prior.stylegan2 is None else repr(prior.stylegan2.latent_space)
            reasons.append(f"`latent_space` lacks that of the prior, which has {of_prior}")
        return reasons


class ReconstructionTuningOptions(StudyOptions):
    """The whole `tuning_reconstruction` block."""

    candidates: int = Field(ge=2)
    """Candidates of the search in a trial, in place of those of `reconstruction.search`: fewer are faster."""
    selected: int = Field(ge=2)
    """Selected people of the search in a trial, in place of those of `reconstruction.search`: fewer are faster."""
    space: SearchSpace
    """The searches to choose from."""
    standard_errors: float = Field(1.0, ge=0)
    """The point with the fewest steps is taken among those whose match advantage is at most so many standard errors of
    the best one below it; 0 takes the best.
    """

    def of_trial(self, search: SearchOptions) -> SearchOptions:
        """A search as trials run it."""
        return search.model_copy(update={"candidates": self.candidates, "selected": self.selected})

    @model_validator(mode="after")
    def _enough_candidates(self) -> "ReconstructionTuningOptions":
        if self.selected > self.candidates:
            raise ValueError(f"selected is {self.selected}, but only {self.candidates} candidates are drawn")
        return self
