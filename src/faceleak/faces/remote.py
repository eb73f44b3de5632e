"""A packed store in object storage: uploaded once, downloaded once, checked by its hash, then read as any other.

Beside the store at `url` lies `<url>.json`, written last: what the store was made from, and the hash of its bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from faceleak.common.errors import FaceleakError, kedro_run
from faceleak.faces.store import is_made_from, metadata_of
from faceleak.work.tasks import writing


class RemoteStoreError(FaceleakError):
    """The store in object storage cannot be reached, or what came from there is not what was uploaded."""


def is_published(url: str, fingerprint: str) -> bool:
    """Whether the store at `url` was made from what `fingerprint` names. Raises RemoteStoreError."""
    return bool(_stated(url).get("fingerprint") == fingerprint)


def publish(store: Path, url: str) -> None:
    """Upload a store, unless the one at `url` was made from the same. Raises RemoteStoreError."""
    fingerprint = str(metadata_of(store)[b"fingerprint"], "utf-8")
    if is_published(url, fingerprint):
        return
    stated = {"fingerprint": fingerprint, "sha256": _sha256(store)}
    files, path = _open(url)
    try:
        files.put_file(str(store), path)
        files.pipe_file(f"{path}.json", json.dumps(stated).encode())
    except Exception as error:  # each storage has errors of its own
        raise _unreachable(url, error) from error


def fetch(url: str, store: Path) -> None:
    """Download the store at `url` to `store`, unless one made from the same is there. Raises RemoteStoreError."""
    stated = _stated(url)
    if not stated:
        raise RemoteStoreError(f"There is no store at {url}. Make it where the faces are: {kedro_run('faces')}")
    if is_made_from(store, stated["fingerprint"]):
        return
    files, path = _open(url)
    with writing(store) as partial:
        try:
            files.get_file(path, str(partial))
        except Exception as error:  # each storage has errors of its own
            raise _unreachable(url, error) from error
        if (found := _sha256(partial)) != stated["sha256"]:
            raise RemoteStoreError(
                f"{url} has the hash {found}, not {stated['sha256']}, which it was uploaded with: it was altered or is "
                "being replaced. Run the same command again, or delete it there and pack it anew."
            )


def _stated(url: str) -> dict[str, Any]:
    """What `<url>.json` says; nothing if there is no such file."""
    files, path = _open(url)
    try:
        stated: dict[str, Any] = json.loads(files.cat_file(f"{path}.json"))
    except FileNotFoundError:
        return {}
    except Exception as error:
        raise _unreachable(url, error) from error
    return stated


def _open(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise RemoteStoreError(
            f"{url} cannot be opened: {error} For s3:// it takes: pip install 'faceleak[s3]'"
        ) from error
    return files, path


def _unreachable(url: str, error: Exception) -> RemoteStoreError:
    return RemoteStoreError(
        f"{url} cannot be used ({type(error).__name__}: {error}). Check the address and the permissions; for S3, "
        "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
