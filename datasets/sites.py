"""Where slides come from: a column of the dataset CSV, or the tissue source site in a TCGA barcode.

A barcode is ``TCGA-<site>-<patient>-…``; the site is a code of two characters
(https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/). Slides of one site look alike, and a network may learn
the site in place of the disease (Howard et al., Nature Communications 12, 4423, 2021).
"""

import logging
import re

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from datasets.slide_table import SlideTable
from datasets.units import Units
from utils.errors import UsageError
from utils.wording import few

logger = logging.getLogger(__name__)

DEFAULT_SITE_COL = "site"
TCGA_BARCODE = re.compile(r"TCGA-([A-Z0-9]{2})-[A-Z0-9]{4}")


def known_sites(slides: pd.DataFrame, site_col: str = DEFAULT_SITE_COL) -> dict[str, str]:
    """Return the site of every slide that says it.

    Args:
        slides: ``case_id``, ``slide_id`` and other columns of a dataset CSV.
        site_col: the column of sites; without a column of the default name, TCGA barcodes are looked for.

    Raises:
        UsageError: a column of another name is asked for and not there.
    """
    if site_col in slides.columns:
        sites = list(slides[site_col])
    elif site_col == DEFAULT_SITE_COL:
        sites = [_site_of_barcode(*ids) for ids in zip(slides["case_id"], slides["slide_id"], strict=True)]
    else:
        raise UsageError(f"--site_col {site_col}: the dataset CSV has no such column; it has {', '.join(slides)}")
    return {slide_id: site for slide_id, site in zip(slides["slide_id"], sites, strict=True) if site}


def _site_of_barcode(*ids: str) -> str:
    found = next(filter(None, map(TCGA_BARCODE.match, ids)), None)
    return found[1] if found else ""


def sites_of(units: Units, table: SlideTable, site_col: str = DEFAULT_SITE_COL) -> np.ndarray:
    """Return the site of every unit, (U,) of str.

    Sites that share a patient cannot be parted without parting the patient: they count as one, ``A+B``.

    Raises:
        UsageError: the site of a slide is not known.
    """
    site_of = known_sites(table.slides, site_col)
    unknown = [slide_id for slide_id in table.slides["slide_id"] if slide_id not in site_of]
    if unknown:
        raise UsageError(
            f"{table.path}: no site for {len(unknown)} of {len(table)} slides ({few(unknown)}): fill a column "
            f"{site_col!r}, name another with --site_col, or use TCGA barcodes (TCGA-<site>-<patient>-…) as ids"
        )
    sites = _joined(units, table.slides["slide_id"].map(site_of).to_numpy(object))
    joined = sorted({site for site in sites if "+" in site and site not in site_of.values()})
    if joined:
        logger.warning("sites that share patients count as one: %s", few(joined))
    return sites


def _joined(units: Units, site_of_slide: np.ndarray) -> np.ndarray:
    """Return the site of every unit, where sites are joined that a unit has slides of."""
    names, site_of_row = np.unique(site_of_slide, return_inverse=True)
    n_units, n_nodes = len(units), len(units) + len(names)
    unit = np.repeat(np.arange(n_units), [len(rows) for rows in units.slides_of])
    site = n_units + site_of_row[np.concatenate(units.slides_of)]
    graph = coo_array((np.ones(len(unit)), (unit, site)), shape=(n_nodes, n_nodes))
    _, part = connected_components(graph, directed=False)
    name_of = {number: "+".join(names[part[n_units:] == number]) for number in set(part[n_units:])}
    return np.array([name_of[number] for number in part[:n_units]], dtype=object)
