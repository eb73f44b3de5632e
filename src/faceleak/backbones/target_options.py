"""Configuration of the `target` pipeline: train a backbone on the members, or load one."""

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from faceleak.backbones.architectures import check_architecture, is_factory
from faceleak.backbones.card import BackboneCard, Normalization, Preprocessing
from faceleak.backbones.factories import check_factory
from faceleak.backbones.presets import NamedPreprocessing
from faceleak.backbones.training_options import TrainingOptions
from faceleak.common.options import Options


class LoadOptions(Options):
    """A target from outside: what network it is, a file of weights, and how faces were prepared in its training."""

    architecture: str | None = None
    """A name of `architectures.ARCHITECTURES`; this one or `factory`, unless the weights are .onnx."""
    factory: str | None = None
    """`package.module:Class`, a torch.nn.Module of your own, which is built with `arguments`."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the `factory`, by name."""
    weights: Path | None = None
    """A file .safetensors, .pt, .pth or .ckpt, or .onnx, which describes the network too; a factory whose network has
    its weights already needs none.
    """
    sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """SHA-256 that the file of weights has to have, as 64 hexadecimal digits."""
    embedding_size: int = Field(ge=1)
    """Numbers in an embedding."""
    preprocessing: NamedPreprocessing = Preprocessing()
    """How faces become the input: a name of `presets.PRESETS`, or a block."""
    normalization: Normalization = "batch"
    """Kind of the normalization layers; `group` for a network that was built without BN."""
    bn_eps: float | None = Field(None, gt=0)
    """Eps of the BN layers in the training, which no weights file holds; without it, that of the architecture, 1e-5 in
    most (networks that come from MXNet: 2e-5).
    """
    head: Path | None = None
    """The classification head, if you have it: a weights file with the tensor `weight` (classes, embedding_size),
    or the checkpoint that holds it together with the backbone; with `identities`.
    """
    identities: Path | None = None
    """A text file with one identity a line, in the order of the head's classes; with `head`."""
    head_scale: float = Field(64.0, gt=0)
    """What the cosines of the head are multiplied by."""

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, name: str | None) -> str | None:
        if name is not None and is_factory(name):
            raise ValueError(f"{name!r} is a class: give it as `factory`")
        return name if name is None else check_architecture(name)

    @field_validator("factory")
    @classmethod
    def _known_factory(cls, name: str | None) -> str | None:
        return name if name is None else check_factory(name)

    @model_validator(mode="after")
    def _is_one_network(self) -> "LoadOptions":
        if self.weights is None:
            if self.factory is None:
                raise ValueError("`weights` is missing: give the file that holds them")
        elif self.weights.suffix == ".onnx":
            if self.architecture or self.factory:
                raise ValueError(f"{self.weights} describes its network: leave `architecture` and `factory` out")
        elif (self.architecture is None) == (self.factory is None):
            given = "neither is given" if self.architecture is None else "both are given"
            raise ValueError(f"give `architecture` (a name) or `factory` (package.module:Class); {given}")
        if self.arguments and self.factory is None:
            raise ValueError("`arguments` are those of a `factory`, and there is none")
        if self.bn_eps is not None and self.architecture is None:
            raise ValueError(
                "`bn_eps` is for an `architecture`: an ONNX file and a class say it themselves, leave it out"
            )
        if self.bn_eps is not None and self.normalization != "batch":
            raise ValueError(
                f"`bn_eps` is for BN layers, and normalization is `{self.normalization}`: leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _say_whose_the_classes_are(self) -> "LoadOptions":
        if (self.head is None) != (self.identities is None):
            given, missing = ("head", "identities") if self.identities is None else ("identities", "head")
            raise ValueError(f"`{given}` is given without `{missing}`: give both, or neither")
        return self

    def card(self) -> BackboneCard:
        """What the saved backbone will say of itself."""
        return BackboneCard(
            architecture=self.factory or self.architecture or "",
            arguments=self.arguments,
            embedding_size=self.embedding_size,
            preprocessing=self.preprocessing,
            normalization=self.normalization,
            bn_eps=self.bn_eps,
        )


class UtilityOptions(Options):
    """How utility is measured: verification over pairs of images of people with the role `unseen_identity`."""

    maximum_pairs: int = Field(100_000, ge=1000)
    """Where there are more pairs, so many are drawn, half of them of the same person if that is possible."""
    pairs: Path | None = None
    """A file as LFW's pairs.txt, whose images are in the store, for the accuracy by LFW's protocol."""


class TargetOptions(Options):
    """The whole `target` block."""

    source: Literal["train", "load"]
    """Name of the block that says where the target comes from."""
    train: TrainingOptions | None = None
    """How the target is trained here, on the members."""
    load: LoadOptions | None = None
    """A target from outside."""
    utility: UtilityOptions = UtilityOptions()
    """How utility is measured."""

    @model_validator(mode="after")
    def _describe_the_source(self) -> "TargetOptions":
        if getattr(self, self.source) is None:
            raise ValueError(f"source is `{self.source}`, but there is no block `{self.source}` that describes it")
        return self
