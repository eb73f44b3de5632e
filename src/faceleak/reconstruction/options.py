"""Configuration of the `reconstruction` pipeline."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from faceleak.backbones.target_options import LoadOptions
from faceleak.backbones.training_options import TrainingOptions
from faceleak.common.options import Name, Options
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import ThreatModel
from faceleak.reconstruction.objectives import TermName
from faceleak.reconstruction.optimizers import OptimizerName
from faceleak.reconstruction.priors.options import PriorOptions

FILMED = 8  # of the optimized faces are shown on their way
SHOWN = 3  # sets of `selected` faces are drawn at the end of a search
Weight = Annotated[float, Field(ge=0)]


class SearchOptions(Options):
    """Stage 2: `candidates` latents are ranked by the attack of stage 1, the best are optimized, `selected` returned.

    Optimization runs in `rounds` of `steps` steps of the `optimizer`. Each round but the last keeps the better half, so
    the first one starts from selected·2^(rounds − 1) latents, where there are as many candidates. What is maximized is
    the mean score of a person's images, which differ from each other by `variation` (share of the latent's standard
    deviation, 0 for a single image); `images_per_person` of them decide who is kept, by their `rating`: the membership
    score, or all that is maximized. `objective`: the weight of each term that is maximized
    (`reconstruction/objectives`). `optimizer`: `adam` follows gradients, `cma_es` takes any score and looks at
    `population` images a person and step.

    `attack`, `threat_model`: the attack of stage 1 that guides the search, and what its attacker has. `learning_rate`:
    the size of a step, the first one's for `cma_es`, in standard deviations of the latents. `batch_size`: latents that
    are optimized side by side. `seed`: of the draws.
    """

    attack: str
    threat_model: ThreatModel = "partial_knowledge"
    objective: dict[TermName, Weight] = Field({"membership": 1.0}, min_length=1)
    rating: Literal["membership", "objective"] = "membership"
    optimizer: OptimizerName = "adam"
    population: int = Field(16, ge=2)
    candidates: int = Field(ge=2)
    selected: int = Field(ge=1)
    rounds: int = Field(3, ge=1)
    steps: int = Field(ge=0)
    learning_rate: float = Field(0.1, gt=0)
    variation: float = Field(0.3, ge=0, lt=1)
    images_per_person: int = Field(4, ge=1)
    batch_size: int = Field(64, ge=1)
    seed: int = 0

    @property
    def kept(self) -> list[int]:
        """How many latents are left after each round."""
        return [self.selected << max(0, self.rounds - 2 - number) for number in range(self.rounds)]

    @property
    def starts(self) -> int:
        """How many latents the first round starts from."""
        return min(self.candidates, self.selected << (self.rounds - 1))

    @property
    def latents_by_round(self) -> list[int]:
        """How many latents each round maximizes."""
        return [self.starts, *self.kept[:-1]]

    @property
    def faces_ranked(self) -> int:
        """Faces that are drawn and scored without gradients: candidates, people after a round, results, the film."""
        filmed = min(self.selected, FILMED) * (self.rounds + 1)
        return self.candidates + self.images_per_person * sum(self.latents_by_round) + SHOWN * self.selected + filmed

    @property
    def faces_optimized(self) -> int:
        """Faces that a search takes gradients through, or what stands in their place."""
        from faceleak.reconstruction.objectives.consistency import IMAGES

        return self.steps * (IMAGES if self.objective.get("consistency") else 1) * sum(self.latents_by_round)

    @model_validator(mode="after")
    def _has_something_to_maximize(self) -> "SearchOptions":
        if not any(self.objective.values()):
            raise ValueError("objective has no term with a weight above 0, so there is nothing to maximize")
        return self

    @model_validator(mode="after")
    def _enough_candidates(self) -> "SearchOptions":
        if self.selected > self.candidates:
            raise ValueError(
                f"selected is {self.selected}, but only {self.candidates} candidates are drawn to select from"
            )
        return self


class EvaluatorOptions(Options):
    """One evaluator: `training` or `load` says where it comes from.

    An `independent` one is trained on other images of the member people than the target was, and on control people; it
    should differ from the target in architecture, loss and seed. One that is not is trained on the members' very
    images, and on control people: it resembles the target, is fooled where the target is, and counts for nothing but
    the comparison (arXiv 2505.03519).
    """

    training: TrainingOptions | None = None
    load: LoadOptions | None = None
    independent: bool = True

    @model_validator(mode="after")
    def _has_one_origin(self) -> "EvaluatorOptions":
        if (self.training is None) == (self.load is None):
            given = "neither is given" if self.load is None else "both are given"
            raise ValueError(f"give `training` or `load` (the other one null); {given}")
        return self


class TargetedOptions(Options):
    """The `targeted` pipeline: templates of `people` members and of as many non-members, one each, are turned into
    faces.

    `candidates` random faces are embedded: to start from, and to learn the linear map from embeddings to latents, whose
    squared weights cost `ridge`. The best start is optimized by `steps` steps of Adam. `learning_rate`: of Adam.
    `batch_size`: templates that are inverted side by side. `seed`: of the draws.
    """

    people: int = Field(50, ge=2)
    candidates: int = Field(2000, ge=2)
    ridge: float = Field(0.001, gt=0)
    steps: int = Field(60, ge=0)
    learning_rate: float = Field(0.1, gt=0)
    batch_size: int = Field(64, ge=1)
    seed: int = 0


class PersonImageOptions(TargetedOptions):
    """The `targeted` pipeline, from one image of a person that the target was not trained on, as `TargetedOptions`.

    What is maximized is `near` times the cosine to the image, by the target, and the terms of `objective`, a mean over
    images that differ by `variation`; `images_per_person` of them give a person's score. `objective`: the weight of
    each term. As in `TargetedOptions`: images of `people` members and of as many non-members; `candidates` random faces
    and a linear map with the penalty `ridge` give the start; `steps` steps of Adam. `learning_rate`: of Adam.
    `batch_size`: people side by side. `seed`: of the draws.
    """

    near: float = Field(10.0, gt=0)
    objective: dict[TermName, Weight] = Field({"membership": 1.0}, min_length=1)
    variation: float = Field(0.3, ge=0, lt=1)
    images_per_person: int = Field(4, ge=1)


class ReconstructionOptions(Options):
    """The whole `reconstruction` block. `attackers`: who draws faces where no defense is judged.

    `prior`: a block, or `demo`, or `trained`: what the `prior` pipeline has left in the folder `trained_prior`.
    `evaluators`: the evaluators by name; all independent ones have to agree. `far`: of each one's threshold.
    """

    GONE: ClassVar[dict[str, str]] = {"blind_sheet": "the evaluators alone say whom a face shows. Take the key out"}

    prior: PriorOptions
    trained_prior: Path = Path("data/06_models/prior")
    attackers: list[AttackerName] = Field(["plain"], min_length=1)
    search: SearchOptions
    targeted: TargetedOptions = TargetedOptions()
    person_image: PersonImageOptions = PersonImageOptions()
    far: float = Field(0.001, gt=0, lt=1)
    evaluators: dict[Name, EvaluatorOptions] = Field(min_length=1)

    @property
    def independent(self) -> tuple[str, ...]:
        """Names of the evaluators that count."""
        return tuple(name for name, evaluator in self.evaluators.items() if evaluator.independent)

    @model_validator(mode="after")
    def _has_an_independent_evaluator(self) -> "ReconstructionOptions":
        if not self.independent:
            raise ValueError("no evaluator is `independent`, so nobody could say what reconstructions show")
        return self

    @model_validator(mode="before")
    @classmethod
    def _find_the_trained_prior(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("prior") != "trained":
            return given
        folder = given.get("trained_prior", cls.model_fields["trained_prior"].default)
        return given | {"prior": {"trained": folder}}
