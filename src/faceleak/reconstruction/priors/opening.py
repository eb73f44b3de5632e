"""From the configuration to a prior, and what names one in a task."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.reconstruction.priors.options import PriorOptions

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from faceleak.faces.store import FaceStore
    from faceleak.reconstruction.priors.prior import Prior
    from faceleak.work.compute import ComputeOptions

PLACES = {"weights", "sha256"}


def prepared(
    options: PriorOptions, store: "FaceStore", public: "pd.DataFrame", compute: "ComputeOptions", fit: bool = True
) -> PriorOptions:
    """The prior as it can be loaded: principal components are fitted to `public` (image_id, sha256), others are there.

    fit: false only says where they would lie, for a plan. Raises PriorError where there are too few images.
    """
    asked = options.principal_components
    if asked is None or asked.fitted is not None:
        return options
    from faceleak.reconstruction.priors.principal_components import PrincipalComponentsTask

    task = PrincipalComponentsTask(store, public, asked, compute)
    if fit:
        task.fit()
    return options.model_copy(update={"principal_components": asked.model_copy(update={"fitted": task.path})})


def stand_in(options: PriorOptions, device: "torch.device") -> "Prior":
    """A prior that takes as long to draw as the one that is asked for, also where that is not fitted yet."""
    asked = options.principal_components
    if asked is None or (asked.fitted is not None and asked.fitted.is_file()):
        return load_prior(options, device)
    from faceleak.reconstruction.priors import principal_components

    return _framed(principal_components.stand_in(asked, device), options)


def load_prior(options: PriorOptions, device: "torch.device") -> "Prior":
    """Load a prior onto `device`. Raises PriorError, and for factories also FactoryError and BackboneError."""
    return _framed(_generator(options, device), options)


def _framed(prior: "Prior", options: PriorOptions) -> "Prior":
    if options.crop is None and options.image_size is None:
        return prior
    from faceleak.reconstruction.priors.generators import FramedPrior

    return FramedPrior(prior, options.crop, options.image_size)


def _generator(options: PriorOptions, device: "torch.device") -> "Prior":
    if options.stylegan2 is not None:
        from faceleak.reconstruction.priors.stylegan2 import StyleGAN2Prior

        return StyleGAN2Prior(options.stylegan2, device)
    if options.principal_components is not None:
        from faceleak.reconstruction.priors.principal_components import load_components

        return load_components(options.principal_components, device)
    if options.factory is not None:
        from faceleak.reconstruction.priors.generators import GeneratorPrior

        return GeneratorPrior(options, device)
    if options.trained is not None:
        from faceleak.reconstruction.prior_training.trained import load_trained_prior

        return load_trained_prior(options.trained, device)
    from faceleak.reconstruction.priors.generators import DemoPrior

    return DemoPrior(device)


def identity_of(options: PriorOptions) -> list[Any]:
    """What distinguishes a prior from others: its options without places on this machine, and a hash of its weights."""
    described = options.model_dump(
        mode="json",
        exclude={
            "weights": True,
            "sha256": True,
            "trained": True,
            "stylegan2": PLACES,
            "principal_components": {"fitted"},
        },
    )
    return [described, _weights_hash(options)]


def _weights_hash(options: PriorOptions) -> str:
    if options.stylegan2 is not None:
        path = options.stylegan2.weights
        if not path.is_file():
            from faceleak.reconstruction.priors.stylegan2_file import missing

            raise missing(path)
        state = path.stat()
        return _file_hash(path, state.st_size, state.st_mtime_ns)
    if options.principal_components is not None:
        fitted = options.principal_components.fitted
        return "" if fitted is None else fitted.stem  # named by all that the components depend on
    if options.trained is not None:
        from faceleak.reconstruction.prior_training.trained import trained_prior_hash

        return trained_prior_hash(options.trained)
    return _factory_hash(options.model_dump_json()) if options.factory is not None else ""


@lru_cache(maxsize=8)  # by size and time of change too
def _file_hash(path: Path, size: int, modified: int) -> str:  # noqa: ARG001
    from faceleak.backbones.checkpoint import sha256_of_file

    return sha256_of_file(path)


@lru_cache(maxsize=8)
def _factory_hash(options: str) -> str:
    """A factory may bring weights of its own, so the network is built to see them."""
    from faceleak.reconstruction.priors.generators import build, state_hash
    from faceleak.work.tasks import code_version, fingerprint

    described = PriorOptions.model_validate_json(options)
    module = (described.factory or "").partition(":")[0]
    return fingerprint(code_version(module), state_hash(build(described)))
