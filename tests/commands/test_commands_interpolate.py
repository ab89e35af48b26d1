"""The walk from picture to picture, drawn by no network."""

import numpy as np
import pytest
from PIL import Image

from ms_gan.commands import interpolate
from ms_gan.config import load_config


@pytest.mark.parametrize(("size", "width"), [(28, 286), (64, 582), (256, 518), (700, 706)])
def test_the_animation_of_large_pictures_is_not_larger_still(monkeypatch, tmp_path, size, width):
    monkeypatch.setattr(interpolate, "load_generator", lambda source, config: (None, load_config("mlp")))
    monkeypatch.setattr(interpolate, "draw_images", lambda net, latents: np.zeros((len(latents), 1, size, size)))
    path = interpolate.interpolate("run", seeds=(1, 2), frames=2, out=tmp_path / "walk.gif")
    with Image.open(path) as film:
        assert film.width == width
        assert film.n_frames == 4
