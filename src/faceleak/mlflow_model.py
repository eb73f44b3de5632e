"""A torch model in MLflow as the target: a factory for `target.load`, named explicitly as loading runs its code."""

from typing import Any

from torch import Tensor, nn

from faceleak.common.errors import FaceleakError


class MlflowModelError(FaceleakError):
    """The model was not said to be trusted, cannot be loaded, or is no torch module."""


class MlflowModel(nn.Module):
    """The torch model at an MLflow URI (`models:/name/1`, `runs:/…`): images (n, 3, h, w) → embeddings (n, size).

    Such a model is a pickle: its author can run code here. Raises MlflowModelError unless `run_its_code` is true.
    """

    def __init__(self, uri: str, run_its_code: bool = False) -> None:
        super().__init__()
        if run_its_code is not True:
            raise MlflowModelError(
                f"{uri} is a pickle, and loading it runs whatever code it holds. Where you trust who wrote it, set "
                "target.load.arguments.run_its_code to true; better, export it to ONNX or save its state dict."
            )
        self.model = _load(uri)

    def forward(self, images: Tensor) -> Any:
        return self.model(images)


def _load(uri: str) -> nn.Module:
    import mlflow.pytorch

    try:
        model = mlflow.pytorch.load_model(uri, map_location="cpu")
    except Exception as error:  # of the store, of the network, or of the model's own code
        raise MlflowModelError(
            f"The model {uri} cannot be loaded ({type(error).__name__}: {error}). Check the URI, MLFLOW_TRACKING_URI, "
            "and that the packages it was saved with are installed."
        ) from error
    if not isinstance(model, nn.Module):
        raise MlflowModelError(f"{uri} is a {type(model).__name__}, not a torch.nn.Module. Name a torch model.")
    return model.eval()
