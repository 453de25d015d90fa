"""Signatures are those of Standard Webhooks, byte for byte."""

import base64
import os
import time
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.domain.signing import SignatureError, new_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT = 1614265330
BODY = b'{"test": 2432232314}'
RIGHT = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


def headers(
    *, id: str = ID, timestamp: object = SENT, signature: str = RIGHT
) -> dict[str, str]:
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


def test_the_published_vector_comes_out():
    assert sign([SECRET], id=ID, timestamp=SENT, body=BODY) == RIGHT


def test_every_live_secret_signs():
    other = new_secret(os.urandom)

    signature = sign([other, SECRET], id=ID, timestamp=SENT, body=BODY)

    assert signature.split(" ")[1] == RIGHT
    verify(other, headers(signature=signature), BODY, now=SENT)
    verify(SECRET, headers(signature=signature), BODY, now=SENT)


def test_a_new_secret_holds_the_bytes_it_was_given():
    secret = new_secret(bytes)

    assert secret == "whsec_" + base64.b64encode(bytes(32)).decode()


def test_an_unpadded_secret_is_the_same_secret():
    padded = new_secret(os.urandom)

    assert padded.endswith("=")
    assert sign([padded.rstrip("=")], id=ID, timestamp=SENT, body=BODY) == sign(
        [padded], id=ID, timestamp=SENT, body=BODY
    )


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_====", "whsec_é", "whsec_a b"])
def test_a_secret_without_a_key_is_refused(secret: str):
    with pytest.raises(SignatureError):
        sign([secret], id=ID, timestamp=SENT, body=BODY)


@pytest.mark.parametrize("id", ["", "a.b", "a b", "a\n", "é", "x" * 65])
def test_an_id_that_could_move_the_dots_is_refused(id: str):
    with pytest.raises(SignatureError):
        sign([SECRET], id=id, timestamp=SENT, body=BODY)


def test_nobody_signs_without_a_secret():
    with pytest.raises(SignatureError):
        sign([], id=ID, timestamp=SENT, body=BODY)


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(RIGHT, id="alone"),
        pytest.param(
            f"{WRONG} v2,{RIGHT[3:]} {RIGHT} {WRONG}", id="among wrong ones and a v2"
        ),
    ],
)
def test_a_right_signature_is_accepted(signature: str):
    verify(SECRET, headers(signature=signature), BODY, now=SENT)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_five_minutes_either_way_are_accepted(off: int):
    verify(SECRET, headers(), BODY, now=SENT + off)


def test_header_names_are_read_in_any_case():
    shouted = {name.upper(): value for name, value in headers().items()}

    verify(SECRET, shouted, BODY, now=SENT)


@pytest.mark.parametrize(
    ("given_headers", "body", "now"),
    [
        pytest.param(headers(), BODY, SENT + 301, id="5 min and 1 s old"),
        pytest.param(headers(), BODY, SENT - 301, id="5 min and 1 s ahead"),
        pytest.param(headers(), BODY, SENT + 360, id="replayed 6 minutes later"),
        pytest.param(headers(), BODY + b" ", SENT, id="body changed"),
        pytest.param(headers(id="msg_other"), BODY, SENT, id="id swapped"),
        pytest.param(headers(timestamp=SENT + 1), BODY, SENT, id="timestamp changed"),
        pytest.param(headers(timestamp="1e9"), BODY, SENT, id="timestamp not digits"),
        pytest.param(
            headers(timestamp="١٦١٤٢٦٥٣٣٠"), BODY, SENT, id="digits of another script"
        ),
        pytest.param(headers(signature=f"v2,{RIGHT[3:]}"), BODY, SENT, id="only a v2"),
        pytest.param(headers(signature=RIGHT[3:]), BODY, SENT, id="no version"),
        pytest.param(headers(signature=WRONG), BODY, SENT, id="wrong"),
        pytest.param(headers(signature=""), BODY, SENT, id="empty"),
        pytest.param(headers(signature="v1,\udcff\x00é"), BODY, SENT, id="not text"),
        pytest.param(
            headers(signature=" ".join([WRONG] * 40 + [RIGHT])),
            BODY,
            SENT,
            id="a flood",
        ),
        pytest.param({}, BODY, SENT, id="no headers"),
        pytest.param({"webhook-id": ID}, BODY, SENT, id="headers missing"),
    ],
)
def test_anything_else_is_refused(given_headers: dict[str, str], body: bytes, now: int):
    with pytest.raises(SignatureError):
        verify(SECRET, given_headers, body, now=now)


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.binary())
def test_a_verifier_raises_nothing_but_its_own_error(
    id: str, timestamp: str, signature: str, body: bytes
):
    with pytest.raises(SignatureError):
        verify(
            SECRET,
            headers(id=id, timestamp=timestamp, signature=signature),
            body,
            now=SENT,
        )


@settings(deadline=None)
@given(st.binary(min_size=24, max_size=64), st.text())
def test_the_reference_library_accepts_what_we_sign(key: bytes, text: str):
    secret = "whsec_" + base64.b64encode(key).decode()
    now = int(time.time())
    body = text.encode("utf-8", "replace")

    signature = sign([SECRET, secret], id=ID, timestamp=now, body=body)

    standardwebhooks.Webhook(secret).verify(
        body, headers(timestamp=now, signature=signature), json_parse=False
    )


@settings(deadline=None)
@given(st.binary(min_size=24, max_size=64), st.text())
def test_we_accept_what_the_reference_library_signs(key: bytes, text: str):
    secret = "whsec_" + base64.b64encode(key).decode()
    body = text.encode("utf-8", "replace")
    moment = datetime.fromtimestamp(SENT, UTC)

    signature = standardwebhooks.Webhook(secret).sign(ID, moment, body.decode())

    verify(secret, headers(signature=signature), body, now=SENT)
