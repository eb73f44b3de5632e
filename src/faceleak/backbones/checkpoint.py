"""Reading state dicts as they are found: safetensors or torch files, wrapped, prefixed, with heads. No code is run."""

import hashlib
import logging
import pickle
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError
from faceleak.common.words import counted

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# What keys of dicts around a state dict call it, without `state_dict`, the more telling ones first.
WRAPPERS = ("", "backbone", "model", "net", "network", "encoder", "weights", "params")
HEADS = frozenset(
    {
        "arcface",
        "arc_face",
        "classification",
        "classifier",
        "cls",
        "criterion",
        "fc_angular",
        "head",
        "heads",
        "kernel",
        "last_linear",
        "logits",
        "loss",
        "margin",
        "metric_fc",
        "product",
        "softmax",
    }
)
PACKED = "_packed_params"  # in names of what torch's quantization leaves of linear layers
COUNTER = "num_batches_tracked"
POINTER = b"version https://git-lfs"
LARGEST_EXPANSION = 2  # of what torch.save writes, which does not compress
SHOWN_KEYS = 5
CONVERT = (
    "Convert it where you trust it and have the code it comes from: model = torch.load(path, weights_only=False); "
    "torch.save(model.state_dict(), 'weights.pt'), or, where it holds a dict, torch.save(model['state_dict'], "
    "'weights.pt')"
)


class BackboneError(FaceleakError):
    """A backbone's files are missing, damaged, unsafe, or do not fit its architecture."""


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits. Raises BackboneError if it is missing."""
    _check_there(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Raise BackboneError if the file at `path` is missing or has another SHA-256 (64 hexadecimal digits)."""
    found = sha256_of_file(path)
    if found != expected.lower():
        raise BackboneError(
            f"{path} has SHA-256 {found}, but {expected.lower()} was expected (target.load.sha256, or the card of a "
            "saved backbone): it is another file than the one described. Get the right file, or correct the hash where "
            "this one is to be trusted."
        )


def read_checkpoint(path: Path) -> "dict[str, Tensor]":
    """Read a state dict, which may be nested in dicts with an optimizer's state, epochs and the like.

    What else the file holds is logged. Raises BackboneError if no state dict is found, or several that no usual name
    tells apart.
    """
    content, others = read_with_others(path)
    _say_what_else(path, others)
    return content


def read_with_others(path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """The state dict, as `read_checkpoint` finds it, and what else holds tensors, by where it stands in the file."""
    content, inside, others = read_content(path), "", dict[str, Any]()
    while not _is_state_dict(content):
        found = {key: value for key, value in content.items() if _holds_tensors(value)} if _is_dict(content) else {}
        networks = {key: value for key, value in found.items() if not _is_named_head(key)}
        chosen = min((key for key in networks if _bare(key) in WRAPPERS), key=_rank, default=None)
        if chosen is None and len(networks or found) == 1:
            chosen = next(iter(networks or found))
        if chosen is None:
            raise BackboneError(f"{path}{inside} {_what_it_holds(content, found)}")
        others |= {f"{inside}[{key!r}]": value for key, value in found.items() if key != chosen}
        content, inside = found[chosen], f"{inside}[{chosen!r}]"
    if inside:
        log.info("%s: the state dict is in %s", path, inside)
    return dict(content), others


def heads_in(others: Mapping[str, Any]) -> "dict[str, Tensor]":
    """The matrices (classes, embedding_size) among `others` that are alone in a state dict, by where they stand."""
    inside = {name: tensors for where, held in others.items() for name, tensors in _state_dicts(held, where).items()}
    return {name: tensors["weight"] for name, tensors in inside.items() if _is_alone(tensors)}


def read_head_weights(path: Path, embedding_size: int) -> "dict[str, Tensor]":
    """The state dict with the tensor `weight` of a classification head: the whole file, or one of those that it holds.

    Raises BackboneError if several could be the head.
    """
    content = read_content(path)
    if _is_state_dict(content):
        return dict(content)
    found = _state_dicts(content)
    heads = {where: tensors for where, tensors in found.items() if _is_alone(tensors, embedding_size)}
    if len(heads) > 1:
        raise BackboneError(f"{path} holds several heads ({listed(heads)}). {_SAVE_ALONE.format(str(path), '[…]')}")
    if not heads:
        raise BackboneError(
            f"{path} holds no head of a backbone with embeddings of size {embedding_size}, which is one tensor, "
            f"`weight`, of shape (classes, {embedding_size}): it holds {listed(found) or 'no state dict'}. Save that "
            "tensor alone, transposed where it is the other way round."
        )
    ((where, tensors),) = heads.items()
    log.info("%s: the head is in %s", path, where)
    return tensors


def adapt(
    weights: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]", embedding_size: int, origin: str
) -> "dict[str, Tensor]":
    """Bring the names of a state dict to those of a network, whose own state dict is `expected`.

    What stands before every name (`module.`, `backbone.`, …) is taken away, the classification head is dropped, and
    missing counters of batches are taken from `expected`. What was dropped is logged. Names that are neither expected
    nor a head's stay, to be listed by `loading.check_keys`. Raises BackboneError if two networks fit alike.
    """
    prefix, inside, heads = take_apart(weights, expected, embedding_size, origin)
    outside = [name for name in weights if not name.startswith(prefix)]
    dropped = outside + [prefix + name for name in heads]
    if prefix:
        log.info("%s: the names begin with %r, which is left out", origin, prefix)
    if dropped:
        log.info("%s: dropped, as no part of the backbone: %s", origin, listed(dropped))
    counters = {name: tensor for name, tensor in expected.items() if name.endswith(COUNTER)}
    return counters | inside


def likeness(
    weights: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]", embedding_size: int, origin: str
) -> tuple[float, float]:
    """Share of names, and share of names with their shape, that a state dict and a network's own have in common.

    Prefix, head and counters are left out as in `adapt`, which raises BackboneError as this does.
    """
    _, inside, _ = take_apart(weights, expected, embedding_size, origin)
    wanted, found = ({name for name in names if not name.endswith(COUNTER)} for names in (expected, inside))
    all_names, shared = wanted | found, wanted & found
    shaped = [name for name in shared if inside[name].shape == expected[name].shape]
    return len(shared) / len(all_names), len(shaped) / len(all_names)


def take_apart(
    weights: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]", embedding_size: int, origin: str
) -> "tuple[str, dict[str, Tensor], list[str]]":
    """What stands before the names; what has it, without it and without the head; the head's names.

    Raises BackboneError as `adapt` does.
    """
    prefix = _prefix(weights, expected, origin)
    inside = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    heads = [name for name in inside if name not in expected and _is_head(name, inside[name], embedding_size)]
    return prefix, {name: tensor for name, tensor in inside.items() if name not in heads}, heads


def check_finite(tensors: "Mapping[str, Tensor]", origin: str) -> None:
    """Raise BackboneError where a tensor holds NaN or infinite numbers: whatever is read off would be neither."""
    found = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if found:
        raise BackboneError(
            f"{origin}: NaN or infinite numbers are in {counted(len(found), 'tensor')} ({listed(found)}). The training "
            "has diverged, or the file is damaged: give a checkpoint from before, or get the file again."
        )


def listed(names: Collection[str]) -> str:
    """The first names, and dots if there are more."""
    shown = "; ".join(list(names)[:SHOWN_KEYS])
    return f"{shown}; …" if len(names) > SHOWN_KEYS else shown


def read_content(path: Path) -> Any:
    """Read what a weights file holds: tensors, and plain data around them. Raises BackboneError."""
    import torch
    from safetensors.torch import load_file

    _check_there(path)
    try:
        _check_fetched(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_expansion(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of archives that are refused right afterwards
            content = torch.load(path, map_location="cpu", weights_only=True)
        _check_float(path, content)
        return content
    except BackboneError:
        raise
    except pickle.UnpicklingError as error:
        raise BackboneError(
            f"{path} holds more than tensors, or is damaged. faceleak does not load it, since a pickle can run code. "
            f"{CONVERT}"
        ) from error
    except Exception as error:  # readers of damaged files raise whatever they stumble on
        if "TorchScript" in str(error):
            raise BackboneError(
                f"{path} is a TorchScript archive, which holds code. Convert it where you trust it: "
                "torch.save(torch.jit.load(path).state_dict(), 'weights.pt')"
            ) from error
        raise BackboneError(f"{path} is damaged or not a weights file: {error}") from error


def _check_fetched(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise BackboneError(f"{path} is a pointer of Git LFS, which holds no weights. Fetch them: git lfs pull.")


def _check_float(path: Path, content: Any) -> None:
    """Refuse what torch's quantization leaves: whole numbers with a scale, without gradients."""
    names = _quantized(content)
    if names:
        raise BackboneError(
            f"{path} holds a quantized network ({listed(names)}): whole numbers in place of weights, through which no "
            "gradient passes and whose BN layers are gone most often. Take the network as it was before: the float "
            "checkpoint, or model.state_dict() before torch.ao.quantization.convert or quantize_dynamic. Its "
            "embeddings are close to those of the quantized one, and the audit is then one of the float network."
        )


def _quantized(content: Any, depth: int = 5) -> list[str]:
    import torch

    if not _is_dict(content) or depth == 0:
        return []
    names = list[str]()
    for key, value in content.items():
        whole = isinstance(value, torch.Tensor) and value.is_quantized
        names += [key] if whole or PACKED in key else _quantized(value, depth - 1)
    return names


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise BackboneError(f"There is no weights file {path}.")


def _check_expansion(path: Path) -> None:
    """Refuse a zip archive that unpacks to far more than it is: torch writes none, and it could fill the memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = path.stat().st_size
    if unpacked > LARGEST_EXPANSION * size:
        raise BackboneError(
            f"{path} has {size:,} bytes and unpacks to {unpacked:,}: torch.save does not write such files. It is "
            "damaged or was made to fill the memory. Get it from a source that you trust."
        )


_SAVE_ALONE = "Save one alone: torch.save(torch.load({!r}, weights_only=True){}, 'weights.pt')"


def _say_what_else(path: Path, others: Mapping[str, Any]) -> None:
    """Log heads, which can be used as well, and warn of other networks, of which one may be meant."""
    heads, networks = dict[str, Any](), dict[str, Any]()
    for where, content in others.items():
        inside = _state_dicts(content, where)
        heads |= {name: tensors for name, tensors in inside.items() if _is_alone(tensors)}
        networks |= {name: tensors for name, tensors in inside.items() if name not in heads and len(tensors) > 2}
    for where, tensors in heads.items():
        log.info(
            "%s: %s looks like the classification head of %s: to take it too, give this file as `head` and the names "
            "of its classes as `identities`, beside `weights`",
            path,
            where,
            counted(len(tensors["weight"]), "class", "classes"),
        )
    if networks:
        where = next(iter(networks))
        log.warning(
            "%s: not taken: %s. %s if that is the released one",
            path,
            listed([f"{name} ({counted(len(tensors), 'tensor')})" for name, tensors in networks.items()]),
            _SAVE_ALONE.format(str(path), where),
        )


def _bare(key: str) -> str:
    """What a key calls a state dict: `backbone` for `state_dict_backbone`, nothing for `state_dict`."""
    return key.replace("state_dict", "").strip("_")


def _rank(key: str) -> int:
    return WRAPPERS.index(_bare(key))


def _is_named_head(key: str) -> bool:
    return not HEADS.isdisjoint({_bare(key), *_bare(key).split("_")})


def _is_alone(tensors: "Mapping[str, Tensor]", embedding_size: int | None = None) -> bool:
    """Whether a state dict is one matrix `weight`, (classes, embedding_size), as that of a classification head is."""
    if set(tensors) != {"weight"} or tensors["weight"].dim() != 2:
        return False
    return embedding_size in (None, tensors["weight"].shape[1])


def _state_dicts(content: Any, where: str = "", depth: int = 4) -> "dict[str, dict[str, Tensor]]":
    """All state dicts in what a file holds that have a tensor, by where they stand in it."""
    if not _is_dict(content) or not content or depth == 0:
        return {}
    if _is_state_dict(content):
        return {where: content}
    return {
        name: tensors
        for key, value in content.items()
        for name, tensors in _state_dicts(value, f"{where}[{key!r}]", depth - 1).items()
    }


def _is_dict(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(key, str) for key in content)


def _is_state_dict(content: Any) -> bool:
    import torch

    return _is_dict(content) and all(isinstance(value, torch.Tensor) for value in content.values())


def _holds_tensors(content: Any, depth: int = 4) -> bool:
    if not _is_dict(content) or not content or depth == 0:
        return False
    return _is_state_dict(content) or any(_holds_tensors(value, depth - 1) for value in content.values())


def _what_it_holds(content: Any, found: Mapping[str, Any]) -> str:
    if found:
        return f"holds several state dicts ({listed(found)}). {_SAVE_ALONE.format('…', '[…]')}"
    keys = f" (keys: {listed([str(key) for key in content])})" if isinstance(content, dict) and content else ""
    return (
        f"does not hold a state dict (names → tensors), but a {type(content).__name__}{keys}. "
        "Save model.state_dict() alone."
    )


def _prefix(weights: Collection[str], expected: Collection[str], origin: str) -> str:
    """What stands before the expected names: that with which most of them are found, the shortest of several."""
    wanted = [name for name in expected if not name.endswith(COUNTER)]
    endings = {f".{name}": name for name in (*wanted[:1], *wanted[-1:])}
    candidates = {""} | {
        name.removesuffix(probe) for name in weights for ending, probe in endings.items() if name.endswith(ending)
    }
    there = set(weights)
    counts = {prefix: sum(prefix + name in there for name in wanted) for prefix in candidates}
    best = sorted(candidates, key=lambda prefix: (-counts[prefix], len(prefix), prefix))
    complete = [prefix for prefix in best if wanted and counts[prefix] == len(wanted)]
    if len(complete) > 1:
        raise BackboneError(
            f"{origin} holds several networks that fit, with the names {listed([f'{p}…' for p in complete])}. Save one "
            "of them alone."
        )
    return best[0]


def _is_head(name: str, tensor: "Tensor", embedding_size: int) -> bool:
    parts = name.split(".")
    named = not HEADS.isdisjoint(parts) and tensor.dim() <= 2
    class_weights = tensor.dim() == 2 and embedding_size in tensor.shape and len(parts) <= 2
    return named or class_weights
