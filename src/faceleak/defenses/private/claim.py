"""The claim of privacy as it stands in the card of a released backbone: numbers, and what they are about in words."""

from typing import Any

from faceleak.defenses.private.settings import PrivateSettings, Unit

WHOM: dict[Unit, str] = {"image": "one image", "identity": "all images of one person"}


def describe(
    settings: PrivateSettings, epsilon: float, delta: float, sample_rate: float, noise_multiplier: float
) -> dict[str, Any]:
    """The block `privacy` of the card's `training`."""
    return {
        "about": "backbone",
        "epsilon": epsilon,
        "delta": delta,
        "unit": settings.unit,
        "adjacency": "one unit added or removed",
        "accountant": "prv",
        "sampling": "poisson",
        "sample_rate": sample_rate,
        "steps": settings.steps,
        "noise_multiplier": noise_multiplier,
        "clipping_norm": settings.clipping_norm,
        "seed": "secret" if settings.secret_seed else "known",
        "covers": (
            f"The weights of the released backbone: with or without {WHOM[settings.unit]}, any outcome of training is "
            f"at most e^{epsilon:.3g} times as likely, up to a probability of {delta:.3g}."
        ),
        "does_not_cover": _not_covered(settings),
    }


def _not_covered(settings: PrivateSettings) -> list[str]:
    gaps = [
        "The public people: the start, and all BN statistics, come from them without protection.",
        "The number of units and of people, which is assumed to be public, and settings that were chosen by looking at "
        "results on the private data.",
        "This card's data_hash and number of images, and anything else that is released about the same images.",
        "The head, which was trained with the same protection and is not released.",
        "People who occur under two identities, or in the public images under another file.",
    ]
    if settings.unit == "image":
        gaps.append("A person as a whole: with k images, ε holds k times over (group privacy), and δ grows more.")
    if not settings.secret_seed:
        gaps.append("Anyone who knows the seed: it gives the noise away. Set secret_seed for a release.")
    return gaps
