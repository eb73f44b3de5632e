from faceleak.common.words import counted, form


def test_counts_read_as_english():
    assert [counted(number, "face") for number in (0, 1, 2000)] == ["0 faces", "1 face", "2,000 faces"]
    assert [counted(number, "person was", "people were") for number in (0, 1, 2)] == [
        "0 people were",
        "1 person was",
        "2 people were",
    ]
    assert [form(number, "is", "are") for number in (0, 1, 2)] == ["are", "is", "are"]
