"""The sentences that are said to people, each by its name."""

from typing import ClassVar


class Texts:
    """The sentences of one feature by name, declared beside the handlers that speak them.

    `say = Texts("check_in", done="...{title}...")`, then `say("done", title=...)`. The full name `check_in.done`
    is unique over all features, so that a wording can be replaced by name.
    """

    every: ClassVar[dict[str, str]] = {}

    def __init__(self, feature: str, /, **sentences: str) -> None:
        self.feature = feature
        self.sentences = sentences
        for name, sentence in sentences.items():
            full = f"{feature}.{name}"
            if full in Texts.every:
                raise ValueError(f"the text {full} is declared twice")
            Texts.every[full] = sentence

    def __call__(self, sentence: str, /, **fields: object) -> str:
        return self.sentences[sentence].format(**fields)


def sentence(name: str, /, **fields: object) -> str:
    """A sentence of another feature by its full name: one thing has one wording, wherever it happens."""
    return Texts.every[name].format(**fields)
