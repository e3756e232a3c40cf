import pytest

from utils.yaml_file import YamlFileError, read_yaml


def read(folder, text):
    (folder / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(folder / "a.yaml")


def test_plain_values_and_aliases_are_read(tmp_path):
    text = "\ufeffa: &x {k: 1, l: [yes, 2.5]}\nb: *x\nc: {<<: *x, l: ~}\n"
    value = {"k": 1, "l": [True, 2.5]}
    assert read(tmp_path, text) == {"a": value, "b": value, "c": {"k": 1, "l": None}}


@pytest.mark.parametrize("line", ["a{n}: &a{n} [*a{m}, *a{m}]\n", "a{n}: &a{n} {{<<: [*a{m}, *a{m}]}}\n"])
def test_aliases_that_grow_to_billions_are_refused(tmp_path, line):
    text = "a0: &a0 {x: 1}\n" + "".join(line.format(n=n, m=n - 1) for n in range(1, 40))
    with pytest.raises(YamlFileError, match="aliases repeat"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]", "contains itself"),
        ("[" * 400, "nested too deep"),
        ("#" + "c" * 300_000, "more than 256 KiB"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: 2001-99-99", "month"),
        (b"\xff", "decode"),
        ("{[a]: 1}", "unhashable"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(tmp_path, text, said):
    with pytest.raises(YamlFileError, match=said) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(YamlFileError, match="no such file"):
        read_yaml(tmp_path / "a.yaml")
