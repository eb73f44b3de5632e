import pytest
from PIL import Image

from faceleak.faces.options import LfwDownloadOptions
from faceleak.faces.sources.lfw_download import lfw_faces
from faceleak.faces.sources.source import SourceError


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(SourceError, match=r"LFW could not be fetched .*network connection.*faces\.source: folder"):
        lfw_faces(LfwDownloadOptions(folder=tmp_path))


def test_what_was_fetched_before_is_read_without_a_network(tmp_path):
    home = tmp_path / "lfw_home"
    for person in ("anna", "bert"):
        (home / "lfw_funneled" / person).mkdir(parents=True)
        Image.new("RGB", (250, 250)).save(home / "lfw_funneled" / person / f"{person}_0001.jpg")
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt", "pairs.txt"):
        (home / name).write_text("")
    assert [image.image_id for image in lfw_faces(LfwDownloadOptions(folder=tmp_path)).read(0)] == [
        "anna/anna_0001.jpg",
        "bert/bert_0001.jpg",
    ]
