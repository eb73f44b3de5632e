"""Preprocessing by name, as the training code of the usual repositories does it."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from faceleak.backbones.card import Preprocessing
from faceleak.common.errors import FaceleakError
from faceleak.common.named import check_name

_STD = 128 / 255  # (255·x − 127.5) / 128, with x in 0…1

PRESETS = {
    # InsightFace arcface_torch, InsightFace_Pytorch, face.evoLVe
    "arcface": Preprocessing(),
    # facenet-pytorch, `fixed_image_standardization`
    "facenet": Preprocessing(image_size=160, std=(_STD,) * 3),
    # torchvision's constants, as in foamliu/MobileFaceNet
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    # clcarwin/sphereface_pytorch: images as OpenCV reads them
    "sphereface": Preprocessing(image_size=(112, 96), color_order="BGR", std=(_STD,) * 3),
}


class UnknownPresetError(FaceleakError):
    """No preprocessing has this name."""


def resolve(given: Any) -> Any:
    """A name → its preprocessing; a block with `preset` → that preprocessing, with the block's other fields instead.

    Raises UnknownPresetError with the known names.
    """
    if isinstance(given, str):
        given = {"preset": given}
    if not isinstance(given, dict) or "preset" not in given:
        return given
    name = check_name(str(given["preset"]), "preprocessing", PRESETS, UnknownPresetError)
    return PRESETS[name].model_dump() | {field: value for field, value in given.items() if field != "preset"}


NamedPreprocessing = Annotated[Preprocessing, BeforeValidator(resolve)]
