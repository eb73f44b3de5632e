"""Small checkpoints in the two published formats, with random weights."""

import math
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.grouped_stylegan2 import State

MAPPING_LAYERS = 3  # of `official_state`


class Saved(nn.Module):
    """A module that is pickled as StyleGAN2-ADA's `persistence` does it."""

    def __init__(self, class_name: str, **settings: Any) -> None:
        super().__init__()
        self.saved_as = class_name
        self.__dict__.update(settings)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: value for key, value in self.__dict__.items() if key != "saved_as"}
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise RuntimeError('the source code of a checkpoint was run')",
            "class_name": self.saved_as,
            "state": state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None


def saved_generator(state: State, clamp: float | None = None, **settings: Any) -> Saved:
    """A tree of modules with the names and settings of an official generator."""
    root = Saved("Generator", **({"z_dim": 7, "c_dim": 0, "w_dim": 9, "img_channels": 3} | settings))
    for name, tensor in state.items():
        *parts, key = name.split(".")
        module = root
        for part in parts:
            if part not in module._modules:
                module.add_module(part, _saved_part(part, clamp))
            module = module._modules[part]
        if key in ("w_avg", "noise_const", "resample_filter"):
            module.register_buffer(key, tensor)
        else:
            module.register_parameter(key, nn.Parameter(tensor.clone()))
    return root


def _saved_part(name: str, clamp: float | None) -> Saved:
    if name.startswith("conv"):
        gain = np.sqrt(2)  # a numpy number, as there
        return Saved("SynthesisLayer", activation="lrelu", use_noise=True, conv_clamp=clamp, act_gain=gain)
    if name == "torgb":
        return Saved("ToRGBLayer", conv_clamp=clamp, weight_gain=1 / np.sqrt(3))
    if name.startswith("fc"):
        return Saved("FullyConnectedLayer", activation="lrelu", weight_gain=0.01 / np.sqrt(7), bias_gain=0.01)
    if name == "affine":
        return Saved("FullyConnectedLayer", activation="linear", bias_gain=1)
    return Saved("SynthesisBlock", architecture="skip") if name.startswith("b") else Saved("Network")


@pytest.fixture
def pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write an object to a .pkl where the modules that official pickles name can be imported; return its path."""
    persistence, util = ModuleType("torch_utils.persistence"), ModuleType("dnnlib.util")

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
        raise AssertionError("the pickle was unpickled")

    class EasyDict(dict):  # type: ignore[type-arg]
        pass

    for module, thing in ((persistence, _reconstruct_persistent_obj), (util, EasyDict)):
        thing.__module__, thing.__qualname__ = module.__name__, thing.__name__
        setattr(module, thing.__name__, thing)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(sys.modules, module.__name__.split(".")[0], ModuleType("parent"))

    def write(content: Any, protocol: int = 3, name: str = "network.pkl") -> Path:
        path = tmp_path / name
        path.write_bytes(pickle.dumps(content, protocol))
        return path

    write.easy_dict = EasyDict  # type: ignore[attr-defined]
    return write


@pytest.fixture
def official_content(official_state: State, pickled: Any) -> Callable[..., dict[str, Any]]:
    """What an official .pkl holds, beside the generator too."""

    def make(clamp: float | None = None, **settings: Any) -> dict[str, Any]:
        generator = saved_generator(official_state, clamp, **settings)
        other = Saved("Discriminator", img_channels=3)
        other.register_parameter("weight", nn.Parameter(torch.ones(2, 3)))
        kwargs = pickled.easy_dict(class_name="training.dataset.ImageFolderDataset", resolution=16)
        return OrderedDict(G=other, D=other, G_ema=generator, training_set_kwargs=kwargs, augment_pipe=None)

    return make


def rosinality_state(official: State) -> State:
    """The same generator under the names of rosinality/stylegan2-pytorch."""
    found: State = {"input.input": official["synthesis.b4.const"][None]}
    for layer in range(MAPPING_LAYERS):
        found[f"style.{layer + 1}.weight"] = official[f"mapping.fc{layer}.weight"]
        found[f"style.{layer + 1}.bias"] = official[f"mapping.fc{layer}.bias"]
    names = {"b4.conv1": "conv1", "b8.conv0": "convs.0", "b8.conv1": "convs.1", "b16.conv0": "convs.2"}
    names |= {"b16.conv1": "convs.3", "b4.torgb": "to_rgb1", "b8.torgb": "to_rgbs.0", "b16.torgb": "to_rgbs.1"}
    for number, (theirs, ours) in enumerate(names.items()):
        found |= _rosinality_layer(official, f"synthesis.{theirs}", ours)
        if "conv" in theirs:
            found[f"noises.noise_{number}"] = official[f"synthesis.{theirs}.noise_const"][None, None]
    return found


def _rosinality_layer(official: State, theirs: str, ours: str) -> dict[str, Tensor]:
    weight, bias = official[f"{theirs}.weight"], official[f"{theirs}.bias"]
    found = {f"{ours}.conv.modulation.{part}": official[f"{theirs}.affine.{part}"] for part in ("weight", "bias")}
    if theirs.endswith("torgb"):
        return found | {f"{ours}.conv.weight": weight[None], f"{ours}.bias": bias.view(1, 3, 1, 1)}
    if theirs.endswith("conv0"):
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        found[f"{ours}.conv.blur.kernel"] = taps[:, None] * taps / 16
    scaled = weight[None] * math.sqrt(weight[0].numel())  # taken back by a runtime gain there
    strength = official[f"{theirs}.noise_strength"].reshape(1)
    return found | {f"{ours}.conv.weight": scaled, f"{ours}.activate.bias": bias, f"{ours}.noise.weight": strength}
