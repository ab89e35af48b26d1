"""Checkpoints: any bytes are refused in one line, and those of a run must be as the run left them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_gan.errors import UserError
from ms_gan.runs.folder import RunFolder


def _network(ms):
    net = ms.nn.Dense(2, 3)
    net.update_parameters_name("g.")
    return net


@pytest.fixture(scope="module")
def sample(mindspore_cpu, tmp_path_factory):
    """Give a network and a checkpoint of it."""
    from ms_gan.runs.checkpoints import save_network

    network, path = _network(mindspore_cpu), tmp_path_factory.mktemp("sample") / "Generator1.ckpt"
    save_network(path, network)
    return network, path.read_bytes()


def _refused_or_loaded(path, network):
    from ms_gan.runs.checkpoints import load_network

    try:
        load_network(path, network)
    except UserError as error:
        message = str(error)
    else:
        return True
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return False


@given(st.binary(max_size=200))
def test_reader_takes_any_bytes(sample, tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.ckpt"
    path.write_bytes(content)
    assert not _refused_or_loaded(path, sample[0])


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4), st.none() | st.integers(0, 300))
def test_reader_takes_any_damage(sample, tmp_path_factory, changes, cut):
    path = tmp_path_factory.getbasetemp() / "damaged.ckpt"
    content = bytearray(sample[1])
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[:cut])
    loaded = _refused_or_loaded(path, sample[0])
    assert loaded or content[:cut] != sample[1]


def test_what_a_run_notes_of_its_checkpoints_is_checked(sample, tmp_path):
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    files = run.network_files(7, None)
    for file in files:
        file.write_bytes(sample[1])
    assert _refused_or_loaded(files[0], sample[0])
    run.note_networks(7, files, None)
    assert _refused_or_loaded(files[0], sample[0])
    # A weight of which one bit has changed: MindSpore itself would load it.
    content = bytearray(sample[1])
    content[-3] ^= 1
    files[0].write_bytes(content)
    from ms_gan.runs.checkpoints import load_network, read_checkpoint

    with pytest.raises(UserError, match=r"is damaged \(its checksum in index.json does not hold\)"):
        read_checkpoint(files[0])
    copied = tmp_path / "elsewhere.ckpt"
    copied.write_bytes(content)
    (tmp_path / "index.json").write_text("[of another program]")
    load_network(copied, sample[0])
