"""What is kept holds no secrets."""

import pytest

from utils.masking import masked, masked_values


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("serve --token abc --port 1", "serve --token *** --port 1"),
        ("--hf_token=abc", "--hf_token=***"),
        ("login hf_abcdefgh12345 failed", "login *** failed"),
        ("https://ada:pw@host/a", "https://ada:***@host/a"),
        ("https://s3/a?X-Amz-Signature=12ab&b=1", "https://s3/a?X-Amz-Signature=***&b=1"),
        ("slides/hf_1.svs at 20:15 a@b", "slides/hf_1.svs at 20:15 a@b"),
    ],
)
def test_a_secret_is_not_kept_and_the_rest_is(text, kept):
    assert masked(text) == kept


def test_what_is_secret_by_its_name_is_not_kept():
    values = {"api_key": "k", "data": {"password": "p", "n_tokens": 3, "names": ["hf_abcdefgh12345", "a"]}}
    assert masked_values(values) == {
        "api_key": "***",
        "data": {"password": "***", "n_tokens": 3, "names": ["***", "a"]},
    }
