from dataclasses import replace

from faceleak.faces import soundness, store
from faceleak.faces.soundness import check_images
from faceleak.faces.store import sha256_of


def test_images_with_the_hash_of_their_source_are_not_decoded(face, packed, monkeypatch):
    monkeypatch.setattr(store, "ROWS_PER_BATCH", 3)
    faces = [face(f"anna/{number}", number) for number in range(10)]
    kept = [replace(one, sha256=sha256_of(one.jpeg)) for one in faces[:6]]
    anew = [*faces[6:9], replace(faces[9], jpeg=faces[9].jpeg[:-30])]
    decoded = []
    monkeypatch.setattr(
        soundness, "_decodes", lambda jpeg, decodes=soundness._decodes: decoded.append(jpeg) or decodes(jpeg)
    )
    found = check_images(packed([*kept, *anew]))
    assert found.sound.tolist() == [True] * 9 + [False]
    assert found.decoded == 4
    assert sorted(decoded) == sorted(one.jpeg for one in anew)


def test_a_kept_image_whose_bytes_have_changed_is_decoded(face, packed):
    one = face("anna/0")
    found = check_images(packed([replace(one, sha256=sha256_of(one.jpeg), jpeg=one.jpeg[:-30])]))
    assert (found.sound.tolist(), found.decoded) == ([False], 1)
