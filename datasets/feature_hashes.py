"""Fingerprints of bags: slides that have the same features under different names are the same slide."""

import logging
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from datasets.bags import read_bag
from utils.errors import ItemError
from utils.fingerprint import array_sha256
from utils.wording import few

logger = logging.getLogger(__name__)

BAR_AFTER_S = 2


def feature_hashes(folders: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of every slide's features.

    Args:
        folders: the feature folder of every slide.

    Slides without features, or whose features cannot be read, are left out with a warning; empty bags are left out.
    """
    hashes: dict[str, str] = {}
    unread = []
    for slide_id, folder in tqdm(
        folders.items(), desc="hashing features", unit="slide", delay=BAR_AFTER_S, dynamic_ncols=True
    ):
        try:
            features = read_bag(folder, slide_id).numpy()  # (N, D)
        except ItemError:
            unread.append(slide_id)
            continue
        if len(features):
            hashes[slide_id] = array_sha256(features)
    if unread:
        logger.warning(
            "features of %d slides are missing or not readable, and not compared: %s", len(unread), few(unread)
        )
    return hashes
