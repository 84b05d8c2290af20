from __future__ import annotations

import html
import re
from html.entities import html5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentscore.text.html_entities import MAY_HAVE_REFERENCES, decode_html_entities
from sentscore.text.normalize import as_text_array, normalize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("caf&eacute; &#233; &#xE9; &#Xe9;", "café é é é"),
        ("&lt;br /&gt;", "<br />"),
        ("&amp;amp;", "&amp;"),  # once
        ("&NotEqualTilde;", "≂̸"),  # two characters
        ("&#150;", "\u2013"),  # Windows-1252
        ("&#0;&#xD800;&#1114112;&#99999999999;", "\ufffd" * 4),
        ("&#0000000000000000000000065;", "A"),
        ("&#11;", ""),  # no character of HTML
        ("AT&T; &nosuch; &; &#; &#x; &#xg; &amp &copy;", "AT&T; &nosuch; &; &#; &#x; &#xg; &amp ©"),
        ("&am&amp;p;", "&am&p;"),
        ("", ""),
    ],
)
def test_references_with_a_semicolon_become_characters(text, expected) -> None:
    assert decode_html_entities(text) == expected


def test_every_named_reference_is_decoded_as_by_a_browser() -> None:
    names = [name for name in html5 if name.endswith(";")]
    assert len(names) > 2000
    for name in names:
        assert decode_html_entities(f"a&{name}b") == f"a{html5[name]}b"
        assert re.search(MAY_HAVE_REFERENCES, f"&{name}")


@given(st.integers(0, 0x11FFFF), st.booleans())
def test_numbers_mean_what_they_mean_to_pythons_own_decoder(number, as_hexadecimal) -> None:
    reference = f"&#x{number:x};" if as_hexadecimal else f"&#{number};"
    assert decode_html_entities(reference) == html.unescape(reference)


@given(st.lists(st.sampled_from(["&", "#", "x", ";", "amp", "lt", "6", "a", " ", "&quot;", "&#39;", "é"])).map("".join))
def test_the_step_is_the_same_within_many_texts(text) -> None:
    steps = {"lowercase": False, "html_entities": True}
    texts = [None, "plain", text, "&amp;"]
    alone = [normalize(as_text_array([each]), **steps)[0].as_py() for each in texts]
    assert normalize(as_text_array(texts), **steps).to_pylist() == alone
    assert alone[2] == normalize(as_text_array([decode_html_entities(text)]), lowercase=False)[0].as_py()


def test_references_are_decoded_before_all_other_steps_or_not_at_all() -> None:
    texts = as_text_array(["a&lt;br /&gt;b &Eacute;&#150;", "e&#769;", None])
    assert normalize(texts, lowercase=True, html_entities=True).to_pylist() == ["a b é\u2013", "é", None]
    assert normalize(texts, lowercase=True).to_pylist() == ["a&lt;br /&gt;b &eacute;&#150;", "e&#769;", None]
