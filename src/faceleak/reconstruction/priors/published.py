"""Published checkpoints of StyleGAN2: from their files and names to the weights of `stylegan2_network`.

StyleGAN2-ADA's own PyTorch pickles, and state dicts of rosinality/stylegan2-pytorch, which many trained generators are
published as.
"""

import math
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faceleak.backbones.checkpoint import read_content
from faceleak.reconstruction.priors.pickle_reader import (
    STORAGES,
    Module,
    SavedTensor,
    open_pickle,
    read_pickle,
    read_storage,
)
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.reconstruction.priors.stylegan2_network import Shape, StyleGAN2, low_pass

MAPPING_RATE = 0.01  # the learning rate of the mapping network, in relation to the rest
MOST_MODULES, DEEPEST = 2000, 8


def read_official(path: Path) -> tuple[Shape, dict[str, Tensor]]:
    """Read the generator `G_ema` of a .pkl file, which is not unpickled. Raises PriorError."""
    with open_pickle(path) as content:
        found = read_pickle(content, path)
        generator = found.get("G_ema") if isinstance(found, dict) else found
        if not isinstance(generator, Module):
            raise PriorError(f"{path} holds no generator `G_ema` of StyleGAN2-ADA's PyTorch code.")
        try:
            modules = dict(_modules(generator))
            _check_settings(modules, path)
            clamp, rate = _clamp(modules, path), _mapping_rate(modules)
            weights = {
                f"{name}.{key}": _read(tensor)
                for name, module in modules.items()
                for kind in ("_parameters", "_buffers")
                for key, tensor in module.state.get(kind, {}).items()
                if isinstance(tensor, SavedTensor)
            }
        except PriorError:
            raise
        except Exception as error:  # of a damaged file
            raise PriorError(f"{path} is damaged ({type(error).__name__}: {error}). Copy it again.") from error
    return from_official(weights, str(path), clamp, rate)


def from_official(
    weights: Mapping[str, Tensor], origin: str, clamp: float | None = None, mapping_rate: float = MAPPING_RATE
) -> tuple[Shape, dict[str, Tensor]]:
    """Official names and weights → ours, with all runtime gains multiplied in. Raises PriorError."""
    _check_filters(weights, origin)
    try:
        shape = _shape(weights, clamp)
        return shape, dict(_renamed(weights, shape, mapping_rate))
    except (KeyError, ValueError) as error:
        raise PriorError(
            f"{origin} does not hold a StyleGAN2 generator with skip connections ({type(error).__name__}: {error})."
        ) from error


def _shape(weights: Mapping[str, Tensor], clamp: float | None) -> Shape:
    layers = 0
    while f"mapping.fc{layers}.weight" in weights:
        layers += 1
    channels: list[int] = []
    while f"synthesis.b{4 << len(channels)}.conv1.weight" in weights:
        channels.append(len(weights[f"synthesis.b{4 << len(channels)}.conv1.weight"]))
    return Shape(
        resolution=2 << len(channels),
        z_size=weights["mapping.fc0.weight"].shape[1],
        w_size=len(weights["mapping.w_avg"]),
        mapping_layers=layers,
        channels=tuple(channels),
        clamp=clamp,
    )


def _renamed(weights: Mapping[str, Tensor], shape: Shape, mapping_rate: float) -> Iterator[tuple[str, Tensor]]:
    for number in range(shape.mapping_layers):
        yield from _linear(weights, f"mapping.fc{number}", f"mapping.{number}", mapping_rate)
    yield "w_mean", weights["mapping.w_avg"]
    yield "constant", weights["synthesis.b4.const"]
    for level in range(len(shape.channels)):
        block = f"synthesis.b{4 << level}"
        if level:
            yield from _convolution(weights, f"{block}.conv0", f"convolutions.{2 * level - 1}", upsample=True)
        yield from _convolution(weights, f"{block}.conv1", f"convolutions.{2 * level}", upsample=False)
        rgb = weights[f"{block}.torgb.weight"]
        yield f"to_rgb.{level}.weight", rgb.flatten(1) / math.sqrt(rgb.shape[1])
        yield f"to_rgb.{level}.bias", weights[f"{block}.torgb.bias"]
        yield from _linear(weights, f"{block}.torgb.affine", f"to_rgb.{level}.style", 1.0)


def _convolution(weights: Mapping[str, Tensor], theirs: str, ours: str, upsample: bool) -> Iterator[tuple[str, Tensor]]:
    weight = weights[f"{theirs}.weight"]
    yield f"{ours}.weight", weight.transpose(0, 1) if upsample else weight
    yield f"{ours}.bias", weights[f"{theirs}.bias"]
    yield f"{ours}.noise", weights[f"{theirs}.noise_const"]
    yield f"{ours}.noise_strength", weights[f"{theirs}.noise_strength"]
    yield from _linear(weights, f"{theirs}.affine", f"{ours}.style", 1.0)


def _linear(weights: Mapping[str, Tensor], theirs: str, ours: str, rate: float) -> Iterator[tuple[str, Tensor]]:
    weight = weights[f"{theirs}.weight"]
    yield f"{ours}.weight", weight * (rate / math.sqrt(weight.shape[1]))
    yield f"{ours}.bias", weights[f"{theirs}.bias"] * rate


def _modules(module: Module) -> Iterator[tuple[str, Module]]:
    """A module and those in it by their dotted names, breadth first."""
    waiting, seen = [("", module, 0)], 0
    while waiting:
        name, found, depth = waiting.pop(0)
        seen += 1
        if seen > MOST_MODULES or depth > DEEPEST:
            raise ValueError("more modules than a generator has")
        yield name, found
        inside = found.state.get("_modules", {})
        waiting += [(f"{name}.{key}".lstrip("."), part, depth + 1) for key, part in inside.items() if part is not None]


def _read(saved: SavedTensor) -> Tensor:
    """Raises ValueError where the view does not lie in its storage."""
    kind, values = read_storage(saved.storage.bytes())
    flat = torch.frombuffer(bytearray(values), dtype=STORAGES[kind])
    if len(saved.size) != len(saved.stride) or any(number < 0 for number in (saved.offset, *saved.size, *saved.stride)):
        raise ValueError("a tensor with a negative size")
    last = saved.offset + sum((size - 1) * stride for size, stride in zip(saved.size, saved.stride, strict=True))
    if math.prod(saved.size) > len(flat) or last >= len(flat):
        raise ValueError("a tensor that is larger than its storage")
    return flat.as_strided(saved.size, saved.stride, saved.offset).clone().contiguous()


def _check_settings(modules: Mapping[str, Module], path: Path) -> None:
    settings = modules[""].state
    problems = {
        "it is conditional (c_dim > 0)": settings.get("c_dim", 0) != 0,
        "it does not draw RGB images": settings.get("img_channels", 3) != 3,
        "a block is not of the architecture `skip`": not _agree(modules, "architecture", "skip"),
        "a layer has another activation than `lrelu`": not _agree(modules, "activation", "lrelu", "linear"),
        "a layer has no noise": not _agree(modules, "use_noise", True),
    }
    if found := [problem for problem, there in problems.items() if there]:
        raise PriorError(f"{path} holds a generator that faceleak does not draw with: {'; '.join(found)}.")


def _agree(modules: Mapping[str, Module], setting: str, *allowed: Any) -> bool:
    return all(module.state.get(setting, allowed[0]) in allowed for module in modules.values())


def _clamp(modules: Mapping[str, Module], path: Path) -> float | None:
    stored = [module.state["conv_clamp"] for module in modules.values() if "conv_clamp" in module.state]
    found = {None if clamp is None else float(clamp) for clamp in stored}
    if len(found) > 1:
        raise PriorError(f"{path} clamps its layers differently, which faceleak does not draw with.")
    return next(iter(found), None)


def _mapping_rate(modules: Mapping[str, Module]) -> float:
    layer = modules.get("mapping.fc0")
    rate = layer.state.get("bias_gain") if layer is not None else None
    return MAPPING_RATE if rate is None else float(rate)


def _check_filters(weights: Mapping[str, Tensor], origin: str) -> None:
    expected = low_pass()[0, 0]
    for name, tensor in weights.items():
        if name.endswith("resample_filter"):
            scaled = tensor * (expected.sum() / tensor.sum())
            if tensor.shape != expected.shape or not torch.allclose(scaled, expected, atol=1e-5):
                raise PriorError(f"{origin} resamples by another filter than [1, 3, 3, 1] ({name}).")


SAMPLES, SEED = 10_000, 0


def read_rosinality(path: Path) -> tuple[Shape, dict[str, Tensor]]:
    """Read `g_ema` and `latent_avg`, the mean of w; where that was not stored, it is measured on random latents.

    Raises PriorError, and BackboneError where the file is no checkpoint.
    """
    with torch.serialization.safe_globals([Namespace]):  # its training stores its arguments beside the weights
        content = read_content(path)
    generator: Any = content.get("g_ema", content) if isinstance(content, dict) else None
    if not _is_state_dict(generator):
        raise PriorError(f"{path} holds no state dict `g_ema` of rosinality/stylegan2-pytorch.")
    mean = content.get("latent_avg")
    try:
        weights = dict(_official_names(generator))
    except (KeyError, ValueError, AttributeError, RuntimeError) as error:
        raise PriorError(
            f"{path} has other names or sizes than a generator of rosinality/stylegan2-pytorch "
            f"({type(error).__name__}: {error})."
        ) from error
    weights["mapping.w_avg"] = mean.flatten() if isinstance(mean, Tensor) else torch.zeros(len(weights[LAST]))
    shape, renamed = from_official(weights, str(path))
    if not isinstance(mean, Tensor):
        renamed["w_mean"] = _measured_mean(shape, renamed, path)
    return shape, renamed


LAST = "mapping.fc0.bias"


def _official_names(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Rosinality's names → official ones. There the weights of convolutions have a runtime gain, here they have not."""
    layers = sum(name.startswith("style.") and name.endswith(".weight") for name in state)
    for number in range(layers):
        yield f"mapping.fc{number}.weight", state[f"style.{number + 1}.weight"]
        yield f"mapping.fc{number}.bias", state[f"style.{number + 1}.bias"]
    yield "synthesis.b4.const", state["input.input"][0]
    levels = 1 + sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in state)
    for level in range(levels):
        block = f"synthesis.b{4 << level}"
        if level:
            yield from _rosinality_convolution(state, f"convs.{2 * level - 2}", 2 * level - 1, f"{block}.conv0")
        yield from _rosinality_convolution(
            state, f"convs.{2 * level - 1}" if level else "conv1", 2 * level, f"{block}.conv1"
        )
        rgb = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        yield f"{block}.torgb.weight", state[f"{rgb}.conv.weight"][0]
        yield f"{block}.torgb.bias", state[f"{rgb}.bias"].flatten()
        yield from _style(state, rgb, f"{block}.torgb")
    for name, tensor in state.items():
        if name.endswith(".kernel"):
            yield f"{name}.resample_filter", tensor


def _rosinality_convolution(
    state: Mapping[str, Tensor], theirs: str, number: int, official: str
) -> Iterator[tuple[str, Tensor]]:
    weight = state[f"{theirs}.conv.weight"][0]
    yield f"{official}.weight", weight / math.sqrt(weight[0].numel())
    yield f"{official}.bias", state[f"{theirs}.activate.bias"]
    yield f"{official}.noise_strength", state[f"{theirs}.noise.weight"].reshape(())
    yield f"{official}.noise_const", state[f"noises.noise_{number}"][0, 0]
    yield from _style(state, theirs, official)


def _style(state: Mapping[str, Tensor], theirs: str, official: str) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight", "bias"):
        yield f"{official}.affine.{part}", state[f"{theirs}.conv.modulation.{part}"]


def _measured_mean(shape: Shape, weights: Mapping[str, Tensor], path: Path) -> Tensor:
    from faceleak.reconstruction.priors.stylegan2_file import check_weights

    check_weights(shape, weights, str(path))
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    z = torch.randn(SAMPLES, shape.z_size, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        return network.to_w(z).mean(0)


def _is_state_dict(content: Any) -> bool:
    return isinstance(content, dict) and bool(content) and all(isinstance(value, Tensor) for value in content.values())
