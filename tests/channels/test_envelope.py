"""The envelope against the vendor's samples, wechatpy, the fake platform, and against whoever lies."""

import binascii
import json
import random
import struct
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import _get_signature

from bot.channels.aibot_frames import FrameError, read_frame
from bot.channels.app_messages import parse, read_fields
from bot.channels.envelope import (
    MAX_BODY_BYTES,
    EnvelopeError,
    Forged,
    Keys,
    Malformed,
    Stale,
    TooLarge,
    cdata,
    clip,
    open_echo,
    open_json,
    open_xml,
    seal_json,
    seal_xml,
    writable,
)
from tests.fakes.wecom_callbacks import AES_KEY, CORP_ID, TOKEN, Platform, aibot_text, app_text

try:
    from wechatpy.work.crypto import PrpCrypto, WeChatCrypto
except ImportError:  # The stable release calls its WeCom part "enterprise".
    from wechatpy.enterprise.crypto import PrpCrypto, WeChatCrypto

NOW = 1_767_225_600
WINDOW = 300
Open = Callable[[bytes, Mapping[str, str], Keys, float, float], bytes]
OPEN: dict[str, Open] = {"xml": open_xml, "json": open_json}
RECEIVE_ID = {"xml": CORP_ID, "json": ""}
# Lone surrogates, which a text of Python can hold and UTF-8 cannot, and controls among the characters.
ANY_TEXT = st.lists(st.characters() | st.sampled_from("\ud800\udfff\x00\x1f\x7f\ufffe]>")).map("".join)
FLAVOURS = pytest.mark.parametrize("flavour", ["xml", "json"])


def platform(flavour: str) -> Platform:
    return Platform("", flavour, now=lambda: NOW, receive_id=RECEIVE_ID[flavour])


def keys(flavour: str) -> Keys:
    return Keys(TOKEN, AES_KEY, RECEIVE_ID[flavour])


def refusal(flavour: str, body: bytes, query: Mapping[str, str], now: float = NOW) -> tuple[type, str, int]:
    """The exception, reason and HTTP status with which a POST is refused."""
    with pytest.raises(EnvelopeError) as caught:
        OPEN[flavour](body, query, keys(flavour), now, WINDOW)
    return type(caught.value), caught.value.reason, caught.value.status


# The worked example of developer.work.weixin.qq.com/document/path/90968, and the URL check of the vendor's
# sample libraries (90307): fixed values that neither our code nor our fake had a hand in.
VENDOR_KEYS = Keys("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
VENDOR_ECHO = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
}
VENDOR_QUERY = {
    "msg_signature": "477715d11cdb4164915debcba66cb864d751f3e6",
    "timestamp": "1409659813",
    "nonce": "1372623149",
}
VENDOR_ENCRYPT = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJT"
    "s3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hg"
    "f5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4Ehz"
    "JWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2Yoy"
    "yH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
)
VENDOR_MESSAGE = (
    b"<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<FromUserName><![CDATA[mycreate]]></FromUserName>\n"
    b"<CreateTime>1409659813</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[hello]]></Content>\n"
    b"<MsgId>4561255354251345929</MsgId>\n<AgentID>218</AgentID>\n</xml>"
)


def test_vendor_sample_of_url_verification_opens() -> None:
    assert open_echo(VENDOR_ECHO, VENDOR_KEYS, 1_409_659_589, WINDOW) == b"1616140317555161061"


def test_vendor_sample_of_a_message_opens() -> None:
    body = (
        f"<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName><Encrypt><![CDATA[{VENDOR_ENCRYPT}]]></Encrypt>"
        "<AgentID><![CDATA[218]]></AgentID></xml>"
    ).encode()
    assert open_xml(body, VENDOR_QUERY, VENDOR_KEYS, 1_409_659_813, WINDOW) == VENDOR_MESSAGE


@FLAVOURS
@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27, 28, 31, 32, 33, 1000, 40_000])
def test_message_of_any_length_goes_both_ways(flavour: str, length: int) -> None:
    # The lengths cover every pad, among them a whole block of 32.
    message = bytes(random.Random(length).randbytes(length))
    theirs = platform(flavour)
    query, body = theirs.request(theirs.encrypt(message))
    assert OPEN[flavour](body, query, keys(flavour), NOW, WINDOW) == message
    seal = seal_xml if flavour == "xml" else seal_json
    reply = seal(message, keys(flavour), timestamp=NOW, nonce="n]]>\"<&'")
    assert theirs.read(reply, nonce="n]]>\"<&'") == message


@FLAVOURS
def test_random_block_of_arbitrary_bytes_is_never_read_as_text(flavour: str) -> None:
    theirs = platform(flavour)
    sealed = theirs.encrypt_buffer(theirs.plain_buffer("签到".encode(), random=b"\xff\xfe\x00\x80" * 4))
    query, body = theirs.request(sealed)
    assert OPEN[flavour](body, query, keys(flavour), NOW, WINDOW) == "签到".encode()


def test_sealing_twice_gives_two_ciphertexts() -> None:
    first, second = (seal_xml(b"same", keys("xml"), timestamp=NOW, nonce="n") for _ in range(2))
    assert first != second


# wechatpy as the third opinion, in both directions.


def test_xml_sealed_by_wechatpy_opens() -> None:
    sealed = WeChatCrypto(TOKEN, AES_KEY, CORP_ID).encrypt_message("<xml>签到 3</xml>", "n0nce", str(NOW))
    signature = ET.fromstring(sealed).findtext("MsgSignature") or ""
    query = {"msg_signature": signature, "timestamp": str(NOW), "nonce": "n0nce"}
    assert open_xml(sealed.encode(), query, keys("xml"), NOW, WINDOW) == "<xml>签到 3</xml>".encode()


def test_xml_that_we_seal_opens_with_wechatpy() -> None:
    reply = seal_xml("<xml>签到成功</xml>".encode(), keys("xml"), timestamp=NOW, nonce="n0nce")
    signature = ET.fromstring(reply).findtext("MsgSignature")
    opened = WeChatCrypto(TOKEN, AES_KEY, CORP_ID).decrypt_message(reply, signature, str(NOW), "n0nce")
    assert opened == "<xml>签到成功</xml>"


def test_json_sealed_by_wechatpy_opens() -> None:
    encrypted = PrpCrypto(binascii.a2b_base64(AES_KEY + "=")).encrypt('{"msgid":"签"}', "").decode()
    query = {
        "msg_signature": _get_signature(TOKEN, str(NOW), "n0nce", encrypted),
        "timestamp": str(NOW),
        "nonce": "n0nce",
    }
    body = json.dumps({"encrypt": encrypted}).encode()
    assert open_json(body, query, keys("json"), NOW, WINDOW) == '{"msgid":"签"}'.encode()


def test_json_that_we_seal_opens_with_wechatpy() -> None:
    reply = json.loads(seal_json(b'{"a":1}', keys("json"), timestamp=NOW, nonce="n0nce"))
    opened = WeChatCrypto(TOKEN, AES_KEY, "").decrypt_message(
        {"Encrypt": reply["encrypt"]}, reply["msgsignature"], str(NOW), "n0nce"
    )
    assert opened == '{"a":1}'


# Shapes of the outer body.


@pytest.mark.parametrize(
    "shape",
    [
        "<xml><Encrypt><![CDATA[{}]]></Encrypt></xml>",
        "<xml><Encrypt>{}</Encrypt></xml>",
        "<xml>\r\n<ToUserName><![CDATA[x]]></ToUserName>\r\n<Encrypt> <![CDATA[ {} ]]> </Encrypt>\r\n</xml>",
        '<?xml version="1.0" encoding="UTF-8"?>\n<xml><AgentID/><Encrypt>\n{}\n</Encrypt><New a="1"><b/>',
    ],
)
def test_xml_envelope_opens_in_every_shape(shape: str) -> None:
    theirs = platform("xml")
    encrypted = theirs.encrypt(b"hello")
    query, _ = theirs.request(encrypted)
    assert open_xml(shape.format(encrypted).encode(), query, keys("xml"), NOW, WINDOW) == b"hello"


@pytest.mark.parametrize(
    "shape",
    [
        '{"encrypt":"%s"}',
        ' {\n"encrypt" : "%s"\n}\n',
        '{"tousername":"a","encrypt":"%s","agentid":7,"more":{"b":[]}}',
    ],
)
@pytest.mark.parametrize("escaped", [False, True])
def test_json_envelope_opens_in_every_shape(shape: str, escaped: bool) -> None:
    theirs = platform("json")
    encrypted = theirs.encrypt(b"hello")
    while "/" not in encrypted:
        encrypted = theirs.encrypt(b"hello")
    query, _ = theirs.request(encrypted)
    body = shape % (encrypted.replace("/", "\\/") if escaped else encrypted)
    assert open_json(body.encode(), query, keys("json"), NOW, WINDOW) == b"hello"


# What must be refused, and as what.

FORGED = (Forged, "signature", 403)
QUERY = (Malformed, "query", 400)
ENVELOPE = (Malformed, "envelope", 400)


@FLAVOURS
@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"msg_signature": "0" * 40}, FORGED),
        ({"msg_signature": "签" * 13}, FORGED),
        ({"msg_signature": "\udcff" * 40}, FORGED),
        ({"msg_signature": "a" * 8000}, FORGED),
        ({"msg_signature": ""}, QUERY),
        ({"timestamp": ""}, QUERY),
        ({"nonce": ""}, QUERY),
        ({"nonce": "another"}, FORGED),
        ({"nonce": "签"}, FORGED),
        ({"nonce": "a" * 129}, (Malformed, "nonce", 400)),
        ({"nonce": "a\x00"}, (Malformed, "nonce", 400)),
        ({"nonce": "\ud800"}, (Malformed, "nonce", 400)),
        ({"timestamp": str(NOW - 1)}, FORGED),
        ({"timestamp": "soon"}, (Malformed, "timestamp", 400)),
        ({"timestamp": "-1767225600"}, (Malformed, "timestamp", 400)),
        ({"timestamp": "１７６７２２５６００"}, (Malformed, "timestamp", 400)),
        ({"timestamp": "1" * 5000}, (Malformed, "timestamp", 400)),
    ],
)
def test_query_that_does_not_fit_is_refused(
    flavour: str, change: dict[str, str], refused: tuple[type, str, int]
) -> None:
    theirs = platform(flavour)
    query, body = theirs.request(theirs.encrypt(b"hello"))
    assert OPEN[flavour](body, query, keys(flavour), NOW, WINDOW) == b"hello"
    assert refusal(flavour, body, query | change) == refused


@FLAVOURS
def test_empty_query_is_refused(flavour: str) -> None:
    theirs = platform(flavour)
    _, body = theirs.request(theirs.encrypt(b"hello"))
    assert refusal(flavour, body, {}) == QUERY


@FLAVOURS
def test_signature_of_another_body_is_refused(flavour: str) -> None:
    theirs = platform(flavour)
    query, _ = theirs.request(theirs.encrypt(b"hello"))
    _, other = theirs.request(theirs.encrypt(b"hello"))
    assert refusal(flavour, other, query) == FORGED


@FLAVOURS
@pytest.mark.parametrize(
    ("age", "opens"),
    [(0, True), (300, True), (-300, True), (301, False), (-301, False), (766_000_000, False)],
)
def test_timestamp_outside_the_window_is_refused_though_rightly_signed(flavour: str, age: int, opens: bool) -> None:
    theirs = platform(flavour)
    query, body = theirs.request(theirs.encrypt(b"hello"), timestamp=str(NOW - age))
    if opens:
        assert OPEN[flavour](body, query, keys(flavour), NOW, WINDOW) == b"hello"
    else:
        assert refusal(flavour, body, query) == (Stale, "timestamp", 403)


def hello(theirs: Platform, **wrong: object) -> str:
    return theirs.encrypt_buffer(theirs.plain_buffer(b"hello", **wrong))  # type: ignore[arg-type]


CIPHERTEXTS: dict[str, tuple[Callable[[Platform], str], tuple[type, str, int]]] = {
    "another receive id": (lambda p: hello(p, receive_id="ww0other"), (Forged, "receive id", 403)),
    "receive id and more": (lambda p: hello(p, receive_id=p.receive_id + "x"), (Forged, "receive id", 403)),
    "not base64": (lambda p: "!!!!", ENVELOPE),
    "empty": (lambda p: "", ENVELOPE),
    "only padding characters": (lambda p: "====", (Malformed, "base64", 400)),
    "truncated base64": (lambda p: p.encrypt(b"hello")[:-1], (Malformed, "base64", 400)),
    "base64 with a tail": (lambda p: p.encrypt(b"hello" * 3) + "AA==", (Malformed, "base64", 400)),
    "twenty bytes": (lambda p: "eHh4eHh4eHh4eHh4eHh4eHh4eHg=", (Malformed, "ciphertext", 400)),
    "one block": (lambda p: p.encrypt_buffer(b"x" * 15 + b"\x01"), (Malformed, "length", 400)),
    "one block of noise": (lambda p: p.encrypt_buffer(b"x" * 16), (Malformed, "padding", 400)),
    "pad of 0": (lambda p: hello(p, pad_byte=0), (Malformed, "padding", 400)),
    "pad of 33": (lambda p: p.encrypt_buffer(b"x" * 63 + b"\x21"), (Malformed, "padding", 400)),
    "pad of 33, all of it": (
        lambda p: p.encrypt_buffer(b"x" * 31 + b"\x21" * 33),
        (Malformed, "padding", 400),
    ),
    "pad of 255": (lambda p: hello(p, pad_byte=255), (Malformed, "padding", 400)),
    "pad with one wrong byte": (
        lambda p: p.encrypt_buffer(p.plain_buffer(b"hello")[:-3] + b"\x00" + p.plain_buffer(b"hello")[-2:]),
        (Malformed, "padding", 400),
    ),
    "pad over the length field": (
        lambda p: p.encrypt_buffer(b"x" * 16 + b"\x10" * 16),
        (Malformed, "length", 400),
    ),
    "length beyond the buffer": (lambda p: hello(p, length=10_000), (Malformed, "length", 400)),
    "length into the pad": (lambda p: hello(p, length=5 + len(p.receive_id) + 1), (Malformed, "length", 400)),
    "length of 4 GiB": (lambda p: hello(p, length=2**32 - 1), (Malformed, "length", 400)),
    "length too short": (lambda p: hello(p, length=4), (Forged, "receive id", 403)),
}


@FLAVOURS
@pytest.mark.parametrize("case", CIPHERTEXTS)
def test_ciphertext_that_is_rightly_signed_and_wrong_is_refused(flavour: str, case: str) -> None:
    make, refused = CIPHERTEXTS[case]
    theirs = platform(flavour)
    query, body = theirs.request(make(theirs))
    assert refusal(flavour, body, query) == refused


ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 9))
BODIES: dict[str, tuple[bytes, tuple[type, str, int]]] = {
    "empty": (b"", ENVELOPE),
    "not text": (b"\x00\xff\x00hello", ENVELOPE),
    "billion laughs": (
        f'<!DOCTYPE x [<!ENTITY a0 "lol">{ENTITIES}]><xml><Encrypt>&a8;</Encrypt></xml>'.encode(),
        ENVELOPE,
    ),
    "quadratic entities": (
        b'<!DOCTYPE x [<!ENTITY a "' + b"A" * 20_000 + b'">]><xml><Encrypt>' + b"&a;" * 3000 + b"</Encrypt>",
        ENVELOPE,
    ),
    "external entity": (
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Encrypt>&e;</Encrypt></xml>',
        ENVELOPE,
    ),
    "document type": (b"<!DOCTYPE x []><xml><Encrypt>AAAA</Encrypt></xml>", (Malformed, "doctype", 400)),
    "deep XML": (b"<a>" * 20_000, ENVELOPE),
    "deep JSON": (b"[" * 60_000, ENVELOPE),
    "deep JSON objects": (b'{"encrypt":' * 5_000, ENVELOPE),
    "many openings": (b"<Encrypt>" * 7_000, ENVELOPE),
    "many sections": (b"<Encrypt><![CDATA[" * 3_500, ENVELOPE),
    "many blanks": (b"<Encrypt>" + b" " * 65_000, ENVELOPE),
    "many names": (b'"encrypt"' * 7_000, ENVELOPE),
    "many blanks after a name": (b'"encrypt"' + b" " * 65_000, ENVELOPE),
    "too large": (b"A" * (MAX_BODY_BYTES + 1), (TooLarge, "body", 413)),
}  # fmt: skip


@FLAVOURS
@pytest.mark.parametrize("case", BODIES)
def test_hostile_body_is_refused_at_once(flavour: str, case: str) -> None:
    body, refused = BODIES[case]
    if flavour == "json" and case == "document type":
        refused = ENVELOPE
    query = {"msg_signature": "0" * 40, "timestamp": str(NOW), "nonce": "n"}
    began = time.perf_counter()
    assert refusal(flavour, body, query) == refused
    # Everything above is linear and takes about a millisecond; a quadratic search would take seconds.
    assert time.perf_counter() - began < 1


def test_size_is_checked_before_anything_else() -> None:
    assert refusal("xml", b"A" * (MAX_BODY_BYTES + 1), {}) == (TooLarge, "body", 413)


# URL verification.


@pytest.mark.parametrize("as_form", [False, True])
def test_echo_with_plus_and_slash_opens(as_form: bool) -> None:
    theirs = platform("xml")
    encrypted = ""
    while "+" not in encrypted or "/" not in encrypted:
        encrypted = theirs.encrypt(b"1616140317555161061")
    query, _ = theirs.request(encrypted)
    query["echostr"] = encrypted.replace("+", " ") if as_form else encrypted
    assert open_echo(query, keys("xml"), NOW, WINDOW) == b"1616140317555161061"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"echostr": ""}, Malformed),
        ({"echostr": "签"}, Malformed),
        ({"echostr": "\udcff"}, Malformed),
        ({"echostr": "AAAA"}, Forged),
        ({"msg_signature": "0" * 40}, Forged),
        ({"msg_signature": ""}, Malformed),
        ({"timestamp": "1"}, Stale),
    ],
)
def test_echo_that_does_not_fit_is_refused(change: dict[str, str], error: type[EnvelopeError]) -> None:
    theirs = platform("xml")
    encrypted = theirs.encrypt(b"word")
    query, _ = theirs.request(encrypted)
    query["echostr"] = encrypted
    assert open_echo(query, keys("xml"), NOW, WINDOW) == b"word"
    with pytest.raises(error):
        open_echo(query | change, keys("xml"), NOW, WINDOW)


# Keys.


def test_key_with_stray_low_bits_is_accepted() -> None:
    # The 43rd character carries only four bits of the key; the others may be anything (page 90968).
    stray = AES_KEY[:-1] + "h"
    assert AES_KEY[-1] == "g"
    theirs = platform("xml")
    query, body = theirs.request(theirs.encrypt(b"hello"))
    assert open_xml(body, query, Keys(TOKEN, stray, CORP_ID), NOW, WINDOW) == b"hello"


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "A" * 43 + "!", "A" * 42 + "!", "签" * 43])
def test_key_that_gives_no_32_bytes_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="AES key"):
        Keys(TOKEN, key, "")


def test_keys_do_not_show_their_secrets() -> None:
    assert repr(keys("xml")) == "<Keys for 'wwLINLITEST'>"


# Texts.


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("签到", 6, "签到"),
        ("签到", 5, "…"),
        ("签到了", 8, "签…"),
        ("签到了", 7, "签…"),
        ("abcdef", 5, "ab…"),
        ("😀😀", 7, "😀…"),
        ("😀😀", 6, "…"),
        ("", 5, ""),
    ],
)
def test_clip_cuts_on_a_character_border(text: str, limit: int, expected: str) -> None:
    assert clip(text, limit).decode() == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(3, 60))
def test_clip_never_exceeds_the_limit_nor_changes_what_fits(text: str, limit: int) -> None:
    clipped = clip(text, limit).decode()
    assert len(clipped.encode()) <= limit
    assert clipped == text or (clipped.endswith("…") and text.startswith(clipped[:-1]))


@given(ANY_TEXT)
def test_any_text_survives_cdata_once_it_is_writable(text: str) -> None:
    shown = ET.fromstring(f"<a>{cdata(writable(text))}</a>").text or ""
    # XML reads every line end as one newline.
    assert shown == writable(text).replace("\r\n", "\n").replace("\r", "\n")


# Fuzzing.


@FLAVOURS
@given(
    body=st.binary(max_size=300),
    query=st.dictionaries(
        st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr"]), ANY_TEXT | st.just(str(NOW))
    ),
)
def test_arbitrary_request_is_refused_with_the_declared_error(flavour: str, body: bytes, query: dict[str, str]) -> None:
    with pytest.raises(EnvelopeError):
        OPEN[flavour](body, query, keys(flavour), NOW, WINDOW)
    with pytest.raises(EnvelopeError):
        open_echo(query, keys(flavour), NOW, WINDOW)


@FLAVOURS
@given(
    message=st.binary(max_size=70),
    miscount=st.sampled_from([0, 0, 0, 1, 5, 30, 2**31]),
    pad=st.integers(0, 40),
    pad_byte=st.none() | st.integers(0, 255),
    receive_id=st.sampled_from(["", CORP_ID, CORP_ID[:-1], "ww0other"]),
)
def test_any_plain_buffer_is_judged_as_the_platform_would_judge_it(
    flavour: str, message: bytes, miscount: int, pad: int, pad_byte: int | None, receive_id: str
) -> None:
    theirs = platform(flavour)
    buffer = theirs.plain_buffer(
        message, length=len(message) + miscount, pad=pad, pad_byte=pad_byte, receive_id=receive_id
    )
    encrypted = theirs.encrypt_buffer(buffer[: len(buffer) // 32 * 32])
    try:
        expected = theirs.decrypt(encrypted)
    except (AssertionError, IndexError, struct.error):
        expected = None
    query, body = theirs.request(encrypted)
    assert opened(lambda: OPEN[flavour](body, query, keys(flavour), NOW, WINDOW)) == expected


def opened(open_: Callable[[], bytes]) -> bytes | None:
    """What opening gives, None where it is refused as declared; every other exception fails the test."""
    try:
        return open_()
    except EnvelopeError:
        return None


def mutate(rng: random.Random, raw: bytes) -> bytes:
    """One to three flips, cuts, doublings or insertions."""
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        at, to = sorted((rng.randrange(len(changed) + 1), rng.randrange(len(changed) + 1)))
        kind = rng.randrange(4)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at : min(to, at + 20)]
        elif kind == 2:
            changed[at:at] = changed[at:to][:40]
        else:
            changed[at:at] = rng.choice([b"<", b"]]>", b"&a;", b'"', b"\\u0000", b"\xff", b"{", b"<!DOCTYPE x>", b"="])
    return bytes(changed)


def test_twenty_thousand_mutations_are_refused_with_the_declared_errors() -> None:
    """Mutates requests and opened messages; the seed is fixed, so that a failure can be repeated.

    A changed request is refused, or still opens to the very message that was signed: never to another one.
    """
    rng = random.Random(20_261_122)
    messages = {"xml": app_text("签到 3 <b>"), "json": aibot_text("@小区助手 签到 3", chat="wrABC")}
    refused = survived = 0
    for flavour, message in messages.items():
        theirs, ours, open_ = platform(flavour), keys(flavour), OPEN[flavour]
        encrypted = theirs.encrypt(message)
        query, body = theirs.request(encrypted)
        for turn in range(5_000):
            hurt_query, hurt_body = dict(query), body
            if turn % 2:
                name = rng.choice(sorted(query))
                hurt_query[name] = mutate(rng, query[name].encode()).decode("utf-8", "surrogateescape")
            else:
                hurt_body = mutate(rng, body)
            try:
                assert open_(hurt_body, hurt_query, ours, NOW, WINDOW) == message
                survived += 1
            except EnvelopeError:
                refused += 1
        for _ in range(5_000):
            hurt = mutate(rng, message)
            try:
                if flavour == "xml":
                    parse(read_fields(hurt), channel="app", namespace="n")
                else:
                    read_frame(json.loads(hurt), channel="aibot", namespace="n")
                survived += 1
            except (EnvelopeError, FrameError):
                refused += 1
            except ValueError:
                # Only what json itself says about broken JSON; the channel turns it into Malformed.
                assert flavour == "json"
                refused += 1
    assert refused + survived == 20_000
    assert refused > 10_000


def test_mutated_ciphertext_with_a_right_signature_is_refused_or_keeps_its_frame() -> None:
    """Damages the ciphertext and signs it again, as nobody can who does not hold the token."""
    rng = random.Random(7)
    theirs, ours = platform("xml"), keys("xml")
    encrypted = theirs.encrypt_buffer(theirs.plain_buffer(b"hello" * 20, random=b"0123456789abcdef"))
    lengths = Counter[int | None]()
    for _ in range(2_000):
        hurt = mutate(rng, encrypted.encode()).decode("latin-1")
        query = {"timestamp": str(NOW), "nonce": "n", "echostr": hurt}
        query["msg_signature"] = theirs.sign(str(NOW), "n", hurt)
        message = opened(lambda query=query: open_echo(query, ours, NOW, WINDOW))  # type: ignore[misc]
        lengths[None if message is None else len(message)] += 1
    # CBC alone does not notice a garbled block in the middle; length, pad and receive id still hold.
    # A doubled or missing block moves the receive id away from where the length says it begins.
    assert set(lengths) == {None, 100}
    assert lengths[None] > 1_500
