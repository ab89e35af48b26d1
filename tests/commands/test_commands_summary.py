"""The layer tables: recipe dense's published numbers, and shapes in channels, rows and columns."""

import pytest


@pytest.mark.parametrize(
    ("recipe", "lines"),
    [
        ("dense", ["total 1,493,520                            1,489,936         3,584", "total 665,089"]),
        (
            "mlp",
            [
                "1,510,032         3,584",
                # LeakyReLU, whose call on the CPU passes hooks by, has lines as every other layer.
                "Dense                              512       401,920             0\n"
                "LeakyReLU                          512             0             0\n"
                "Dense                              256       131,328             0\n"
                "LeakyReLU                          256             0             0\n"
                "Dense                                1           257             0\n",
                "total 533,505",
            ],
        ),
        (
            "dcgan",
            [
                "options, for --set: generator.options.widths=[32,64,128,128,64] generator.options.upsample=false\n",
                "discriminator.options.slope=0.2 discriminator.options.normalise_last=false "
                "discriminator.options.spectral=false discriminator.options.gain=1.0\n",
                "Conv2dTranspose                 64x7x7        32,768             0",
                "Conv2d                        32x14x14",
            ],
        ),
        (
            "sngan_horses",
            ["SpectralDense                      256     1,573,120           256"],
        ),
        ("wgan_gp", ["UpsampleConv2dTranspose       32x32x32        51,232             0", "total 670,401"]),
    ],
)
def test_summary_prints_the_layers(command, recipe, lines):
    result = command("summary", recipe)
    assert result.status == 0
    for line in lines:
        assert line in result.stdout


def test_summary_of_an_unknown_recipe_names_the_nearest(command):
    result = command("summary", "wgan_pg")
    assert result.status == 2
    assert "did you mean wgan_gp?" in result.stderr
