"""Running statistics made coarser, or replaced by those of public faces: four ways, by `kind`.

`clipping`: statistics cut to the range that public faces show, so what only members have is lost. The range of a
channel is μ ± width·√b for the mean and b·exp(±width) for the variance, with μ and b estimated on public faces.
`quantization`: each layer's means and log variances lie on a grid of 2^bits values, which goes evenly from the smallest
to the largest of them. `shrinkage`: each statistic is moved by a share of the way to that of public faces.
`reestimation`: statistics of public faces in place of the members'. What the weights have learnt stays: their holder
re-estimates the statistics, with their own faces.
"""

from copy import deepcopy
from math import exp
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from faceleak.common.options import Options

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

BYPASSES = ("bn_reestimation",)
SETTINGS_OF = {"clipping": ["width"], "quantization": ["bits"], "shrinkage": ["share"], "reestimation": []}


class Settings(Options):
    """One of the four ways, and how far it goes: `width` of clipping, `bits` of quantization, `share` of shrinkage."""

    kind: Literal["clipping", "quantization", "shrinkage", "reestimation"]
    """The way; `reestimation` takes all public faces, and there is nothing else to set."""
    width: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Width of the range to both sides, in units of each channel's own scale; 0 leaves the public statistics."""
    bits: int | None = Field(None, ge=1, le=16)
    """Bits of each mean and of each log variance."""
    share: float | None = Field(None, ge=0, le=1)
    """Share of the way to the public statistics, from 0 (unchanged to the bit) to 1 (only public ones)."""

    @model_validator(mode="after")
    def _goes_as_far_as_its_kind_can(self) -> "Settings":
        given = [name for names in SETTINGS_OF.values() for name in names if getattr(self, name) is not None]
        if given != (needed := SETTINGS_OF[self.kind]):
            raise ValueError(
                f"`kind: {self.kind}` takes {' and '.join(needed) or 'no other setting'}, but "
                f"{' and '.join(given) or 'none'} is given"
            )
        return self


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":  # noqa: ARG001  there is no chance in it
    """Change a copy's statistics; what lies within the range or is not moved stays equal to the bit.

    Raises NoBatchNormError, and ReestimationError if public statistics are needed and there are fewer than two
    public faces.
    """
    from faceleak.backbones.batch_norm import bn_layers, statistics

    if settings.kind == "reestimation":
        return owner.with_public_statistics()
    defended = deepcopy(owner.backbone).eval()
    public = defended if settings.kind == "quantization" else owner.with_public_statistics()
    for layer, of_public in zip(bn_layers(defended.net).values(), bn_layers(public.net).values(), strict=True):
        mean, variance = statistics(layer)
        public_mean, public_variance = (tensor.to(mean.device) for tensor in statistics(of_public))
        if settings.width is not None:
            _clip(mean, variance, public_mean.double(), public_variance.double(), settings.width)
        elif settings.bits is not None:
            _coarsen(mean, variance, layer.eps, settings.bits)
        elif settings.share is not None:
            mean.lerp_(public_mean, settings.share)
            variance.lerp_(public_variance, settings.share)
    return defended


def _clip(mean: "Tensor", variance: "Tensor", center: "Tensor", usual: "Tensor", width: float) -> None:
    reach = width * usual.sqrt()
    ratio = exp(min(width, 80.0))  # beyond, a float32 has no room
    mean.copy_(mean.double().clamp(center - reach, center + reach))
    variance.copy_(variance.double().clamp(usual / ratio, usual * ratio))


def _coarsen(mean: "Tensor", variance: "Tensor", eps: float, bits: int) -> None:
    mean.copy_(on_grid(mean, bits))
    log_variance = (variance.double() + eps).log()  # eps for dead channels, which have no variance
    variance.copy_((on_grid(log_variance, bits).exp() - eps).clamp_min(0))


def on_grid(values: "Tensor", bits: int) -> "Tensor":
    """Each of `values` → the nearest of 2^bits values that lie evenly between the smallest and the largest."""
    low, high = values.min(), values.max()
    step = (high - low) / (2**bits - 1)
    return low + ((values - low) / step).round() * step if step > 0 else values
