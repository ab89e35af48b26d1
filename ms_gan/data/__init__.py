"""Where images come from: downloads, folders, raw files, pictures, built-in digits; all as one array type."""

from ms_gan.data.images import ImageSet
from ms_gan.data.sources import SOURCES, cache_folder, load_images

__all__ = ["SOURCES", "ImageSet", "cache_folder", "load_images"]
