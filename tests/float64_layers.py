"""Layers, critics and penalties in float64 NumPy, written from their definitions; nothing of ms_gan is used."""

import numpy as np


def conv2d(x, weight, bias, stride, padding):
    """Slide kernels (O, C, k, k) over images (N, C, S, S)."""
    kernel = weight.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    places = range(0, x.shape[2] - kernel + 1, stride)
    patches = np.stack([x[:, :, i : i + kernel, j : j + kernel] for i in places for j in places], -1)
    y = np.einsum("ncabp,ocab->nop", patches, weight)
    return y.reshape(*y.shape[:2], len(places), len(places)) + bias[:, None, None]


def conv2d_transpose(x, weight, bias, stride, padding):
    """Let every pixel of (N, C, S, S) add its kernel (C, O, k, k) to the result, then cut the padding off."""
    count, _, size, _ = x.shape
    kernel = weight.shape[2]
    full = (size - 1) * stride + kernel
    y = np.zeros((count, weight.shape[1], full, full))
    for i in range(size):
        for j in range(size):
            patch = np.einsum("nc,coab->noab", x[:, :, i, j], weight)
            y[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel] += patch
    return y[:, :, padding : full - padding, padding : full - padding] + bias[:, None, None]


def upsample(x):
    """Make every pixel two by two."""
    return x.repeat(2, axis=2).repeat(2, axis=3)


def directional(function, start, direction, step=1e-6):
    """Return the derivative of a function of an array along a direction, by central differences."""
    return (function(start + step * direction) - function(start - step * direction)) / (2 * step)


class Critic:
    """Layers ('conv', w, b, stride, padding), ('leaky', slope) and ('dense', w, b), with the input's gradient."""

    def __init__(self, layers):
        self.layers = layers

    def scores(self, x):
        """Return scores (N,) of images (N, C, S, S)."""
        return self._forward(x)[0].reshape(-1)

    def input_gradient(self, x):
        """Return the gradient of each score with respect to its own image: (N, C, S, S)."""
        y, backward = self._forward(x)
        gradient = np.ones_like(y)
        for step in reversed(backward):
            gradient = step(gradient)
        return gradient.reshape(x.shape)

    def _forward(self, x):
        backward = []
        for kind, *given in self.layers:
            x, step = getattr(self, f"_{kind}")(x, *given)
            backward.append(step)
        return x, backward

    @staticmethod
    def _conv(x, weight, bias, stride, padding):
        size = x.shape[2]

        def step(gradient):
            padded = conv2d_transpose(gradient, weight, np.zeros(x.shape[1]), stride, 0)
            # The stride may leave rows at the far end that no kernel reached.
            missing = max(0, padding + size - padded.shape[2])
            padded = np.pad(padded, ((0, 0), (0, 0), (0, missing), (0, missing)))
            return padded[:, :, padding : padding + size, padding : padding + size]

        return conv2d(x, weight, bias, stride, padding), step

    @staticmethod
    def _leaky(x, slope):
        return np.where(x > 0, x, slope * x), lambda gradient: np.where(x > 0, gradient, slope * gradient)

    @staticmethod
    def _dense(x, weight, bias):
        flat = x.reshape(len(x), -1)
        return flat @ weight.T + bias, lambda gradient: (gradient @ weight).reshape(x.shape)


def norms(gradient):
    """Return the norm per sample, over everything else."""
    return np.array([np.sqrt((row**2).sum()) for row in gradient])


def penalty(name, critic, real, fake, noise):
    """Return a penalty by its definition."""
    between = (1 - noise) * real + noise * fake
    if name == "gradient":
        return np.mean((norms(critic.input_gradient(between)) - 1) ** 2)
    if name == "gradient_one_sided":
        return np.mean(np.maximum(norms(critic.input_gradient(between)) - 1, 0) ** 2)
    if name == "r1":
        return np.mean(norms(critic.input_gradient(real)) ** 2) / 2
    if name == "r2":
        return np.mean(norms(critic.input_gradient(fake)) ** 2) / 2
    if name == "r1_r2":
        return penalty("r1", critic, real, fake, noise) + penalty("r2", critic, real, fake, noise)
    assert name == "dragan"
    return np.mean((norms(critic.input_gradient(real + 0.5 * real.std() * noise)) - 1) ** 2)
