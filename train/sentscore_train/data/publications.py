"""Says where a data set is published, which its texts tell whatever its file is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Publication:
    """Where a data set is published.

    Attributes:
        title: The data set's name.
        citation: The papers to cite, separated by semicolons.
        url: An address that says more about it.
    """

    title: str
    citation: str
    url: str


IMDB: Final = Publication(
    "Large Movie Review Dataset",
    "Maas et al. 2011, Learning Word Vectors for Sentiment Analysis",
    "https://ai.stanford.edu/~amaas/data/sentiment/",
)

_PRODUCTS: Final = Publication(
    "FDU-MTL, Amazon reviews of the Multi-Domain Sentiment Dataset",
    "Liu et al. 2017, Adversarial Multi-task Learning for Text Classification; Blitzer et al. 2007, Biographies, "
    "Bollywood, Boom-boxes and Blenders: Domain Adaptation for Sentiment Classification",
    "https://aclanthology.org/P17-1001/",
)

_BY_SHA256: Final[dict[str, Publication]] = {
    "f34281cfe09416d1377fd0575678b744e32acc94e8710c7dfbd444925265617f": _PRODUCTS,
}


def find_publication(texts_sha256: str) -> Publication | None:
    """Returns where a table's texts are published, by their `cache.hash_texts`; None where that is not known."""
    return _BY_SHA256.get(texts_sha256)
