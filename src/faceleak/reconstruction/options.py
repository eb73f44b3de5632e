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
    the mean score of a person's images.
    """

    attack: str
    """Name of the attack of stage 1 that guides the search."""
    threat_model: ThreatModel = "partial_knowledge"
    """What the attacker of that attack has."""
    objective: dict[TermName, Weight] = Field({"membership": 1.0}, min_length=1)
    """Weight of each term that is maximized (`reconstruction/objectives`)."""
    rating: Literal["membership", "objective"] = "membership"
    """By what it is decided who is kept: the membership score, or all that is maximized."""
    optimizer: OptimizerName = "adam"
    """How is maximized: `adam` follows gradients, `cma_es` takes any score."""
    population: int = Field(16, ge=2)
    """Images a person and step that `cma_es` looks at."""
    candidates: int = Field(ge=2)
    """How many random latents are ranked by the attack of stage 1."""
    selected: int = Field(ge=1)
    """How many people the search returns."""
    rounds: int = Field(3, ge=1)
    """Rounds of the optimization; each but the last keeps the better half."""
    steps: int = Field(ge=0)
    """Steps of a round."""
    learning_rate: float = Field(0.1, gt=0)
    """Size of a step, the first one's for `cma_es`, in standard deviations of the latents."""
    variation: float = Field(0.3, ge=0, lt=1)
    """How far the images of a person differ: a share of the latent's standard deviation, 0 for a single image."""
    images_per_person: int = Field(4, ge=1)
    """Images of a person whose scores decide who is kept."""
    batch_size: int = Field(64, ge=1)
    """Latents that are optimized side by side."""
    seed: int = 0
    """Seed of the draws."""

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
    """One evaluator: `training` or `load` says where it comes from."""

    training: TrainingOptions | None = None
    """How it is trained here; this one or `load`."""
    load: LoadOptions | None = None
    """A backbone from outside; this one or `training`."""
    independent: bool = True
    """An independent judge is trained on other images of the member people than the target was, and on control people;
    it should differ from the target in architecture, loss and seed. One that is not is trained on the members' very
    images, and on control people: it resembles the target, is fooled where the target is, and counts for nothing but
    the comparison (arXiv 2505.03519).
    """

    @model_validator(mode="after")
    def _has_one_origin(self) -> "EvaluatorOptions":
        if (self.training is None) == (self.load is None):
            given = "neither is given" if self.load is None else "both are given"
            raise ValueError(f"give `training` or `load` (the other one null); {given}")
        return self


class TargetedOptions(Options):
    """The `targeted` pipeline: templates of `people` members and of as many non-members, one each, are turned into
    faces.

    The best of random faces is optimized by Adam.
    """

    people: int = Field(50, ge=2)
    """How many members there are, and as many non-members."""
    candidates: int = Field(2000, ge=2)
    """How many random faces are embedded: to start from, and to learn the linear map from embeddings to latents."""
    ridge: float = Field(0.001, gt=0)
    """What the squared weights of the linear map cost."""
    steps: int = Field(60, ge=0)
    """Steps of Adam."""
    learning_rate: float = Field(0.1, gt=0)
    """Learning rate of Adam."""
    batch_size: int = Field(64, ge=1)
    """How many people are drawn side by side."""
    seed: int = 0
    """Seed of the draws."""

    @property
    def faces_optimized(self) -> int:
        """Faces that Adam takes gradients through."""
        return self.people * self.steps


class HeadGivenOptions(TargetedOptions):
    """The step `head_given`: as `TargetedOptions`, from the head's rows of members in place of templates."""

    people: int = Field(48, ge=2)
    """How many members' rows of the head are inverted."""
    candidates: int = Field(1000, ge=2)
    """How many random faces are embedded: to start from, and to learn the linear map from embeddings to latents."""
    steps: int = Field(20, ge=0)
    """Steps of Adam."""
    learning_rate: float = Field(0.2, gt=0)
    """Learning rate of Adam."""
    augmented: bool = True
    """Whether each step looks at faces that are mirrored, moved and lit by chance, which noise does not survive."""
    shrinking: float = Field(0.02, ge=0)
    """What the mean square of a latent's numbers costs, in cosines; nothing changes on a sphere."""


class CeilingOptions(Options):
    """The step `ceiling`: a photo each of some members, which was not trained on, is drawn by the prior."""

    people: int = Field(48, ge=2)
    """How many members' photos are drawn."""
    candidates: int = Field(1000, ge=2)
    """How many random faces of a generator teach a linear map from photos to latents."""
    steps: int = Field(40, ge=0)
    """Steps of Adam from there."""
    learning_rate: float = Field(0.1, gt=0)
    """Learning rate of Adam."""
    batch_size: int = Field(64, ge=1)
    """How many photos are drawn side by side."""
    seed: int = 0
    """Seed of the draws."""

    @property
    def faces_optimized(self) -> int:
        """Faces that Adam takes gradients through."""
        return self.people * self.steps


class NearOptions(TargetedOptions):
    """A search that stays near what it is given: an image, or a direction in embedding space.

    What is maximized is `near` times the cosine to it, by the target, and the terms of `objective`, a mean over images
    that differ by `variation`.
    """

    near: float = Field(10.0, gt=0)
    """Weight of the cosine to what is given, by the target."""
    objective: dict[TermName, Weight] = Field({"membership": 1.0}, min_length=1)
    """Weight of each other term that is maximized (`reconstruction/objectives`)."""
    variation: float = Field(0.3, ge=0, lt=1)
    """How far the images of a person differ: a share of the latent's standard deviation, 0 for a single image."""


class PersonImageOptions(NearOptions):
    """The `targeted` pipeline, from one image of a person that the target was not trained on, as `NearOptions`."""

    images_per_person: int = Field(4, ge=1)
    """Images of a person that give the person's score."""


class ClassCentersOptions(NearOptions):
    """The step `class_centers`: faces near directions in which the target's embeddings of random faces reach far.

    Where the `search` takes no gradients, or `steps` is 0, the linear map alone draws the faces: by embeddings only.
    """

    people: int = Field(64, ge=1)
    """How many faces are drawn at most: those nearest to their directions."""
    candidates: int = Field(7000, ge=2)
    """How many random faces are embedded: to find directions in, and to learn the linear map to latents."""
    directions: int = Field(80, ge=1)
    """How many directions are looked for at most, all of them at right angles in the whitened embeddings."""
    steps: int = Field(24, ge=0)
    """Steps of Adam; after the first half those who count are kept."""
    learning_rate: float = Field(0.2, gt=0)
    """Learning rate of Adam."""

    @property
    def faces_optimized(self) -> int:
        """Faces that Adam takes gradients through."""
        first = self.steps // 2
        return self.directions * first + min(self.people, self.directions) * (self.steps - first)


class ReconstructionOptions(Options):
    """The whole `reconstruction` block."""

    GONE: ClassVar[dict[str, str]] = {"blind_sheet": "the evaluators alone say whom a face shows. Take the key out"}

    prior: PriorOptions
    """A block, or `demo`, or `trained`: what the `prior` pipeline has left in the folder `trained_prior`."""
    trained_prior: Path = Path("data/06_models/prior")
    """Folder of the prior that the `prior` pipeline has trained."""
    attackers: list[AttackerName] = Field(["plain"], min_length=1)
    """Who draws faces where no defense is judged."""
    search: SearchOptions
    """The search of stage 2."""
    targeted: TargetedOptions = TargetedOptions()
    """Faces from templates, as the `targeted` pipeline draws them."""
    person_image: PersonImageOptions = PersonImageOptions()
    """Faces from one image of a person, as the `targeted` pipeline draws them."""
    ceiling: CeilingOptions = CeilingOptions()
    """Photos of members as the prior draws them: what a perfect attacker could show."""
    head_given: HeadGivenOptions = HeadGivenOptions()
    """Faces from the target's classification head: what a perfect direction gives."""
    class_centers: ClassCentersOptions | None = ClassCentersOptions()
    """Faces of people whom the target knows, from the shape of its embeddings; null leaves the step out."""
    far: float = Field(0.001, gt=0, lt=1)
    """False-accept rate of each evaluator's threshold."""
    evaluators: dict[Name, EvaluatorOptions] = Field(min_length=1)
    """The evaluators by name; all independent ones have to agree."""

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
