"""Webhook keys at rest."""

import base64

import pytest

from bot.secrets import NONCE_BYTES, Sealer, SecretsLocked

OLD, NEW, FOREIGN = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
KEY = "693a91f6-7ccc-4bc4-97a0-0ec2sifa5aaa"
ADDRESS = "3栋群"


def test_sealed_secret_opens_again() -> None:
    assert Sealer([NEW]).open(Sealer([NEW]).seal(KEY, ADDRESS), ADDRESS) == KEY


def test_sealing_twice_gives_two_texts_that_show_nothing() -> None:
    sealed = {Sealer([NEW]).seal(KEY, ADDRESS) for _ in range(20)}

    assert len(sealed) == 20
    assert not any(KEY.encode() in base64.b64decode(one) for one in sealed)


def test_during_a_change_of_keys_both_open_and_the_newest_seals() -> None:
    before = Sealer([OLD]).seal(KEY, ADDRESS)
    changing = Sealer([NEW, OLD])

    assert changing.open(before, ADDRESS) == KEY
    assert Sealer([NEW]).open(changing.seal(KEY, ADDRESS), ADDRESS) == KEY
    with pytest.raises(SecretsLocked, match="no configured key"):
        Sealer([NEW]).open(before, ADDRESS)


def test_sealed_secret_copied_to_another_address_does_not_open() -> None:
    with pytest.raises(SecretsLocked, match="no configured key"):
        Sealer([NEW]).open(Sealer([NEW]).seal(KEY, ADDRESS), "5栋群")


def test_without_a_key_nothing_is_sealed_or_opened() -> None:
    sealed = Sealer([NEW]).seal(KEY, ADDRESS)

    with pytest.raises(SecretsLocked, match=r"set secrets\.key"):
        Sealer([]).seal(KEY, ADDRESS)
    with pytest.raises(SecretsLocked, match=r"set secrets\.key"):
        Sealer([]).open(sealed, ADDRESS)


SEALED = Sealer([NEW]).seal(KEY, ADDRESS)


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "a",
        "不是密文",
        KEY,
        SEALED[:-1],
        SEALED[: NONCE_BYTES // 2],
        base64.b64encode(bytes(4)).decode(),
        base64.b64encode(bytes(NONCE_BYTES)).decode(),
        base64.b64encode(base64.b64decode(SEALED)[:-1]).decode(),
        base64.b64encode(base64.b64decode(SEALED)[:-1] + b"\x00\x00").decode(),
        SEALED + "!",
    ],
    ids=range(11),  # sealing is random, and would give the cases other names each time
)
def test_damaged_secret_is_locked_and_nothing_worse(damaged: str) -> None:
    with pytest.raises(SecretsLocked) as caught:
        Sealer([NEW, FOREIGN]).open(damaged, ADDRESS)

    assert KEY not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "a", "密钥", KEY, "x" * 300])
def test_any_text_can_be_sealed(secret: str) -> None:
    assert Sealer([OLD]).open(Sealer([OLD]).seal(secret, ADDRESS), ADDRESS) == secret


def test_sealer_shows_no_key() -> None:
    assert repr(OLD) not in repr(vars(Sealer([OLD])))
