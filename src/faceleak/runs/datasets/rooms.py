"""Datasets of what the rooms read and write: packed stores, backbones, fitted attacks, arrays."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro.utils import load_obj

from faceleak.faces import remote
from faceleak.faces.packing import Packing
from faceleak.faces.store import FaceSource, FaceStore, pack
from faceleak.work.checksummed import SealError, load_arrays, load_more, load_tree, save_arrays, save_tree
from faceleak.work.tasks import write_json, writing

RECORDS = "records"


class _PathDataset(AbstractDataset[Any, Any]):
    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return self._filepath.exists()


class FileDataset(_PathDataset):
    """A file that another data set writes, for a node that reads it a slice at a time."""

    def save(self, data: Any) -> None:  # noqa: ARG002
        """Nobody writes through this one."""
        raise DatasetError(f"{self._filepath} is only read by way of its path.")

    def load(self) -> Path:
        """Give the path."""
        return self._filepath


class FaceStoreDataset(_PathDataset):
    """A packed store. Saving packs a source, unless the store there was made from the same.

    remote: URL of the same store in object storage, where it is uploaded to and downloaded from.
    """

    def __init__(self, filepath: str, remote: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath, metadata)
        self._remote = remote

    def save(self, data: FaceSource | Packing) -> None:
        """Pack a source."""
        if self._remote and remote.is_published(self._remote, data.fingerprint()):
            return
        if isinstance(data, Packing):
            data.into(self._filepath)
        else:
            pack(data, self._filepath)
        if self._remote:
            remote.publish(self._filepath, self._remote)

    def load(self) -> FaceStore:
        """Open the store."""
        if self._remote:
            remote.fetch(self._remote, self._filepath)
        return FaceStore(self._filepath)


class BackboneDataset(_PathDataset):
    """One backbone: a folder with weights and card."""

    def save(self, data: Any) -> None:
        """Write weights and card."""
        from faceleak.backbones.loading import save_backbone

        save_backbone(data, self._filepath)

    def load(self) -> Any:
        """Load a `Backbone` in eval mode."""
        from faceleak.backbones.loading import load_backbone

        return load_backbone(self._filepath)


class BackbonesDataset(_PathDataset):
    """Backbones by name: a folder for each. Saving leaves exactly these in the folder."""

    def save(self, data: dict[str, Any]) -> None:
        """Write all backbones."""
        from faceleak.backbones.loading import save_backbone

        with writing(self._filepath) as partial:
            for name, backbone in data.items():
                save_backbone(backbone, partial / name)
            write_json(partial / "names.json", list(data))

    def load(self) -> dict[str, Any]:
        """Load all, in the order in which they were saved."""
        import json

        from faceleak.backbones.loading import load_backbone

        names = json.loads((self._filepath / "names.json").read_text())
        return {name: load_backbone(self._filepath / name) for name in names}


class PriorDataset(_PathDataset):
    """A prior that was trained here: a folder with weights and card."""

    def save(self, data: Any) -> None:
        """Write weights and card."""
        from faceleak.reconstruction.prior_training.trained import save_trained_prior

        save_trained_prior(data, self._filepath)

    def load(self) -> Any:
        """Load a `TrainedPrior` on the CPU."""
        import torch

        from faceleak.reconstruction.prior_training.trained import load_trained_prior

        return load_trained_prior(self._filepath, torch.device("cpu"))


class AttacksDataset(_PathDataset):
    """Fitted attacks as JSON: view → attack → numbers, and whose they are."""

    def save(self, data: dict[str, dict[Any, Any]]) -> None:
        """Write all attacks."""
        plain = {
            view: {model.name: model._asdict() | attack.to_dict() for model, attack in of_view.items()}
            for view, of_view in data.items()
        }
        with writing(self._filepath) as partial:
            save_tree(partial, plain)

    def load(self) -> dict[str, dict[Any, Any]]:
        """Load all attacks. Refuses a damaged file, and one from before it said whose they are."""
        from faceleak.membership.attacks import Attack
        from faceleak.membership.options import ModelKey

        plain = load_tree(self._filepath)
        if not all(set(ModelKey._fields) <= attack.keys() for of_view in plain.values() for attack in of_view.values()):
            raise _of_an_earlier_version(self._filepath, "which attack each of its models is")
        return {
            view: {
                ModelKey(*map(attack.get, ModelKey._fields)): Attack.from_dict(attack) for attack in of_view.values()
            }
            for view, of_view in plain.items()
        }


class ArraysDataset(_PathDataset):
    """Numpy arrays by records, in one safetensors file: each by the record's name, and the records in its metadata.

    record: where the `NamedTuple` is, as `package.module.Record`; its `name` is the array's in the file.
    """

    def __init__(self, filepath: str, record: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath, metadata)
        self._record = load_obj(record)

    def save(self, data: dict[Any, Any]) -> None:
        """Write all arrays."""
        with writing(self._filepath) as partial:
            arrays = {record.name: array for record, array in data.items()}
            save_arrays(partial, arrays, {RECORDS: {record.name: list(record) for record in data}})

    def load(self) -> dict[Any, Any]:
        """Load all arrays. Refuses a damaged file, and one from before there were records."""
        arrays = load_arrays(self._filepath, "numpy")
        records = load_more(self._filepath).get(RECORDS, {})
        if arrays.keys() != records.keys():
            raise _of_an_earlier_version(self._filepath, "what each of its arrays belongs to")
        return {self._record(*records[name]): array for name, array in arrays.items()}


def _of_an_earlier_version(path: Path, unsaid: str) -> SealError:
    return SealError(
        f"{path} does not say {unsaid}: an earlier faceleak wrote it. "
        "Delete it and run the same command again: what is there no more is made anew."
    )
