"""Files with a checksum inside: whole, or recognised as damaged; any bytes are answered in one line."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ms_gan.config import Config, config_text
from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import Damaged, check_commented, read_sealed, write_commented, write_sealed

_LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5)
_VALUES = st.recursive(_LEAVES, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some))


@given(st.dictionaries(st.text(max_size=9).filter(lambda key: key != "sha256"), _VALUES, max_size=4))
def test_round_trip(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_sealed(path, content)
    assert read_sealed(path) == content


@given(
    st.binary(max_size=200) | st.sampled_from([b"[" * 9000, b'{"sha256": 1}', b'{"a": NaN, "sha256": ""}', b"1e999"])
)
def test_reader_takes_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    try:
        found, message = read_sealed(path), ""
    except UserError as error:
        found, message = {}, str(error)
    assert isinstance(found, dict)
    assert not message or (message.startswith(f"{path}: is damaged (") and "\n" not in message)


_CONTENT = {"steps_per_epoch": 31, "data": {"sha256": "ab", "images": [2000, 1, 28, 28]}, "seed": 1}


@given(st.integers(0), st.integers(0, 7))
def test_a_changed_bit_is_noticed_or_changes_nothing(tmp_path_factory, place, bit):
    path = tmp_path_factory.getbasetemp() / "bit.json"
    write_sealed(path, _CONTENT)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = read_sealed(path)
    except Damaged:
        return
    # The bit is in a space between the entries, or in the name of the checksum.
    assert {key: found[key] for key in _CONTENT} == _CONTENT


@given(st.integers(0), st.integers(0, 7), st.none() | st.integers(0))
@example(1, 0, 201)  # a bit of the checksum line, and what follows cut
def test_a_changed_configuration_is_noticed_or_the_same(tmp_path_factory, place, bit, cut):
    run = RunFolder(tmp_path_factory.getbasetemp() / "sealed")
    run.path.mkdir(exist_ok=True)
    run.write_config(Config())
    content = bytearray(run.config_file.read_bytes())
    content[place % len(content)] ^= 1 << bit
    run.config_file.write_bytes(content if cut is None else content[: cut % len(content)])
    try:
        config, message = run.config(), ""
    except UserError as error:
        config, message = Config(), str(error)
    assert config == Config()
    assert "\n" not in message


def test_a_text_without_a_comment_is_taken_as_it_is(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(config_text(Config()))
    check_commented(path)
    write_commented(path, config_text(Config()))
    check_commented(path)
    assert path.read_text().startswith("# sha256 of the lines below: ")


def test_a_file_from_before_there_were_checksums_is_read(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(_CONTENT))
    assert read_sealed(tmp_path / "x.json") == _CONTENT


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_sealed(tmp_path / "gone.json")


@pytest.mark.parametrize("name", ["environment.json", "config.yaml", "checkpoints/index.json"])
def test_huge_file_is_not_read(tmp_path, name):
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    with open(tmp_path / name, "wb") as stream:
        stream.truncate(1 << 40)
    read = {"environment.json": run.environment, "config.yaml": run.config}.get(name, run.network_index)
    with pytest.raises(UserError, match="is damaged"):
        read()
