import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.runs.history import append_record, read_history, write_records

_STEPS = st.integers(0, 2**53 - 1)
_RECORDS = st.builds(
    lambda step, epoch, rest: {**rest, "step": step, "epoch": epoch},
    _STEPS,
    _STEPS,
    # "crc32" is the name of the record's own checksum.
    st.dictionaries(
        st.text(max_size=8).filter(lambda name: name != "crc32"),
        st.floats(allow_nan=False) | st.integers(-(2**52), 2**52),
        max_size=4,
    ),
)


@given(st.lists(_RECORDS, max_size=8))
def test_round_trip(tmp_path_factory, records):
    path = tmp_path_factory.getbasetemp() / "round.jsonl"
    path.write_bytes(b"")
    for record in records:
        append_record(path, record)
    assert read_history(path) == records


_PIECES = [
    b'{"step": 1, "epoch": 0}\n',
    b'{"step": ',
    b"[" * 3000,
    b"1e999",
    b"9" * 5000,
    b"\n",
    b"}",
    b"NaN",
    b'"',
    b"null",
]


@given(st.binary(max_size=200) | st.lists(st.sampled_from(_PIECES) | st.binary(max_size=3)).map(b"".join))
def test_reader_takes_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    try:
        records, message = read_history(path), None
    except UserError as error:
        records, message = [], str(error)
    assert all(type(record["step"]) is type(record["epoch"]) is int for record in records)
    assert message is None or (message.startswith(f"{path}: is damaged: line ") and "\n" not in message)


def test_torn_last_line_is_dropped_and_a_torn_middle_is_told(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 1, "epoch": 0}\n{"step": 2, "ep')
    assert read_history(path) == [{"step": 1, "epoch": 0}]
    path.write_text('{"step": 1, "epoch": 0}\n{"step": 2, "ep\n{"step": 3, "epoch": 0}\n')
    with pytest.raises(UserError, match="line 2 is no record, or its checksum"):
        read_history(path)


def test_no_history_is_too_long_but_a_line_may_be(tmp_path):
    path = tmp_path / "history.jsonl"
    write_records(path, [{"step": step, "epoch": 0} for step in range(10)])
    with open(path, "r+b") as stream:
        stream.seek(0, 2)
        # A hole, which takes no room on the disk: a run of two million records has a history of this length.
        stream.truncate(1 << 29)
    with pytest.raises(UserError, match="line 11 is no record"):
        read_history(path)
    content = b'{"step": 1, "epoch": 0}\n' * 3
    path.write_bytes(content + b" " * (1 << 17) + b"\n" + content)
    with pytest.raises(UserError, match="line 4 is no record"):
        read_history(path)


def test_diverged_numbers_are_kept(tmp_path):
    path = tmp_path / "history.jsonl"
    append_record(path, {"step": 1, "epoch": 0, "d_loss": math.nan, "g_loss": math.inf})
    record = read_history(path)[0]
    assert math.isnan(record["d_loss"])
    assert record["g_loss"] == math.inf


def test_writing_records_anew_mends_a_torn_end(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps({"step": step, "epoch": 0}) + "\n" for step in range(5)) + '{"st')
    write_records(path, [record for record in read_history(path) if record["step"] <= 2])
    append_record(path, {"step": 9, "epoch": 0})
    assert [record["step"] for record in read_history(path)] == [0, 1, 2, 9]


_RECORD = {"step": 20, "epoch": 1, "d_loss": 0.4375, "seconds": 1.25}


@given(st.integers(0), st.integers(0, 7))
def test_a_changed_bit_is_noticed_or_changes_nothing(tmp_path_factory, place, bit):
    path = tmp_path_factory.getbasetemp() / "bits.jsonl"
    write_records(path, [_RECORD])
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        records, message = read_history(path), None
    except UserError as error:
        records, message = [], str(error)
    assert message is None or "is damaged: line 1 is no record, or its checksum does not hold" in message
    # Else the line's end is gone, or the bit is in the name of the checksum.
    assert all({key: record[key] for key in _RECORD} == _RECORD for record in records)


def test_records_of_older_versions_have_no_checksum(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(_RECORD) + "\n")
    assert read_history(path) == [_RECORD]


def test_missing_history_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_history(tmp_path / "history.jsonl")
