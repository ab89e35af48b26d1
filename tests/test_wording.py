import pytest

from ms_gan.wording import plural


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 steps"), (1, "1 step"), (2000, "2,000 steps"), (1.0, "1 step"), (1.5, "1.5 steps")]
)
def test_one_of_a_thing_has_no_s(count, said):
    assert plural(count, "step") == said
