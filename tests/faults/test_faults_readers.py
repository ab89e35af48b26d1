"""What the fuzzer of the readers starts from is right: every reader takes its own samples (no atheris needed)."""

import fuzz_readers
import pytest


@pytest.mark.usefixtures("mindspore_cpu")
@pytest.mark.parametrize("name", fuzz_readers.READERS)
def test_every_reader_takes_its_own_samples(tmp_path, name):
    path, samples, read = fuzz_readers.reader(name, tmp_path)
    assert samples
    for sample in samples:
        path.write_bytes(sample)
        read()
