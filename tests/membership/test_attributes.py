import pytest

from faceleak.membership.attributes import AttributesError, read_attributes


def test_attributes_are_text_by_person(tmp_path):
    path = tmp_path / "attributes.csv"
    path.write_text("identity,age\n007,30\n008,\n")
    table = read_attributes(path)
    assert table["identity"].tolist() == ["007", "008"]
    assert table["age"].iloc[0] == "30"
    assert table["age"].isna().tolist() == [False, True]


@pytest.mark.parametrize("content", ["name,age\nx,3\n", "identity\nx\n", "", None])
def test_a_table_that_is_none_is_named(tmp_path, content):
    path = tmp_path / "attributes.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AttributesError, match=r"attributes\.csv"):
        read_attributes(path)
