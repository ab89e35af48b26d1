"""Grids, GIFs and plots: pure functions of arrays and records; they know nothing of run folders."""

from ms_gan.pictures.animation import choose_frames, save_gif, save_strip
from ms_gan.pictures.curves import read_loss_texts, save_curves, save_scatter
from ms_gan.pictures.grid import save_grid, save_labelled, save_labelled_examples, tile, to_pixels

__all__ = [
    "choose_frames",
    "read_loss_texts",
    "save_curves",
    "save_gif",
    "save_grid",
    "save_labelled",
    "save_labelled_examples",
    "save_scatter",
    "save_strip",
    "tile",
    "to_pixels",
]
