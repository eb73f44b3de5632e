import pytest

from faceleak.membership.attributes import AttributesError, read_attributes


def test_attributes_are_text_by_person(tmp_path):
    path = tmp_path / "attributes.csv"
    path.write_text("identity,age\n007,30\n008,\n")
    table = read_attributes(path)
    assert table["identity"].tolist() == ["007", "008"]
    assert table["age"].iloc[0] == "30"
    assert table["age"].isna().tolist() == [False, True]


def test_names_and_values_that_look_like_missing_ones_stay(tmp_path):
    path = tmp_path / "attributes.csv"
    path.write_bytes("image_id;glasses\r\nNA\\1.jpg;None\r\n1e5/0.jpg; NA\r\n".encode("utf-16"))
    table = read_attributes(path)
    assert table.to_dict("list") == {"image_id": ["NA/1.jpg", "1e5/0.jpg"], "glasses": ["None", "NA"]}


def test_a_row_of_nobody_is_named(tmp_path):
    (tmp_path / "attributes.csv").write_text("identity,age\nanna,3\n,4\n")
    with pytest.raises(AttributesError, match=r"attributes\.csv, row 3: identity is empty"):
        read_attributes(tmp_path / "attributes.csv")


@pytest.mark.parametrize("content", ["name,age\nx,3\n", "identity\nx\n", "", None])
def test_a_table_that_is_none_is_named(tmp_path, content):
    path = tmp_path / "attributes.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AttributesError, match=r"attributes\.csv"):
        read_attributes(path)
