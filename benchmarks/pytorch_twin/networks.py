"""The networks of the recipes in PyTorch, from the recipes' numbers."""

from collections.abc import Callable

from torch import nn


def networks(recipe: str) -> tuple[nn.Module, nn.Module]:
    """Return the recipe's generator and discriminator; PyTorch counts BatchNorm's momentum from the other end."""
    known = {"mlp": _mlp, "dense": _dense, "dcgan": _dcgan, "wgan": _wgan, "wgan_gp": _wgan}
    known |= {"best_mnist": lambda: _digits(1024, 512), "conditional_mnist": lambda: _digits(512, 256)}
    known |= {"sngan_horses": _sngan_horses, "r3gan_horses": _r3gan_horses}
    return known[recipe]()


def _mlp() -> tuple[nn.Module, nn.Module]:
    layers = [nn.Linear(100, 128), nn.ReLU()]
    for before, after in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after, momentum=0.1), nn.ReLU()]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    return generator, _dense_discriminator(512, 256)


def _dense() -> tuple[nn.Module, nn.Module]:
    layers = []
    for before, after in ((100, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.BatchNorm1d(after, momentum=0.2)]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    return generator, _dense_discriminator(512, 512)


def _dense_discriminator(first: int, second: int, scores: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, first),
        nn.LeakyReLU(0.2),
        nn.Linear(first, second),
        nn.LeakyReLU(0.2),
        nn.Linear(second, scores),
    )


def _dcgan() -> tuple[nn.Module, nn.Module]:
    layers: list[nn.Module] = [nn.Unflatten(1, (100, 1, 1))]
    # 1 - 2 - 3 - 6 - 7 - 14 - 28
    blocks = ((100, 64, 2, 1, 0), (64, 128, 2, 1, 0), (128, 128, 4, 2, 1), (128, 64, 2, 1, 0), (64, 32, 4, 2, 1))
    for before, after, kernel, stride, padding in blocks:
        layers += [
            nn.ConvTranspose2d(before, after, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(after, momentum=0.1),
            nn.ReLU(),
        ]
    generator = nn.Sequential(*layers, nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh())
    layers = []
    for before, after in ((1, 32), (32, 64), (64, 128), (128, 128), (128, 64)):
        # No batch normalisation of the last block's 1x1 result; ms_gan.networks.dcgan tells why.
        normalised = not (before == 128 and after == 64)
        layers.append(nn.Conv2d(before, after, 3, 2, 1, bias=not normalised))
        if normalised:
            layers.append(nn.BatchNorm2d(after, momentum=0.1))
        layers.append(nn.LeakyReLU(0.2))
    return generator, nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 1))


def _wgan() -> tuple[nn.Module, nn.Module]:
    def after(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels, momentum=0.1), nn.LeakyReLU(0.2)]

    generator = nn.Sequential(
        nn.Linear(100, 4 * 4 * 128, bias=False),
        nn.BatchNorm1d(4 * 4 * 128, momentum=0.1),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (128, 4, 4)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 128, 5, padding=2),
        *after(128),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 5, padding=2),
        *after(64),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(64, 32, 5, 1, 2),
        *after(32),
        nn.ConvTranspose2d(32, 3, 5, 1, 2),
        nn.Tanh(),
    )
    layers: list[nn.Module] = []
    for before, channels, stride in ((3, 32, 2), (32, 64, 2), (64, 128, 2), (128, 128, 1)):
        layers += [nn.Conv2d(before, channels, 5, stride, 2), nn.LeakyReLU(0.2)]
    return generator, nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * 128, 1))


def _digits(first: int, second: int) -> tuple[nn.Module, nn.Module]:
    spread = 64 * 7 * 7
    generator = nn.Sequential(
        nn.Linear(110, 256, bias=False),
        nn.BatchNorm1d(256, momentum=0.1),
        nn.ReLU(),
        nn.Linear(256, spread, bias=False),
        nn.BatchNorm1d(spread, momentum=0.1),
        nn.ReLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32, momentum=0.1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(32, 1, 3, padding=1),
        nn.Tanh(),
    )
    return generator, _dense_discriminator(first, second, 11)


def _horses_generator() -> nn.Module:
    layers: list[nn.Module] = [nn.Unflatten(1, (100, 1, 1)), nn.ConvTranspose2d(100, 192, 2, bias=False)]
    # 1 - 2 - 4 - 8 - 16 - 32
    for before, after in ((192, 192), (192, 96), (96, 48), (48, 3)):
        layers += [nn.BatchNorm2d(before, momentum=0.1), nn.ReLU(), nn.Upsample(scale_factor=2)]
        layers.append(nn.Conv2d(before, after, 3, padding=1, bias=after == 3))
    return nn.Sequential(*layers, nn.Tanh())


def _horses_critic(wrap: Callable[[nn.Module], nn.Module]) -> list[nn.Module]:
    return [
        wrap(nn.Conv2d(3, 48, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        wrap(nn.Conv2d(48, 96, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        wrap(nn.Linear(96 * 8 * 8, 256)),
        nn.LeakyReLU(0.2),
        wrap(nn.Linear(256, 1)),
    ]


def _r3gan_horses() -> tuple[nn.Module, nn.Module]:
    return _horses_generator(), nn.Sequential(*_horses_critic(lambda layer: layer))


def _sngan_horses() -> tuple[nn.Module, nn.Module]:
    # Not that of parametrizations, which is half an iteration ahead of the paper's.
    return _horses_generator(), nn.Sequential(*_horses_critic(nn.utils.spectral_norm))
