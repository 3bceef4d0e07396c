"""How typed Chinese becomes a command: small, explainable, offline.

A text goes through these steps, each a module of its own:

- `normalise`: one spelling for everything (width, script, mentions, quotations, emoticons);
- `match`: which command is meant, whether it is meant for the bot at all, and what is asked back;
- `filling`: what the rest of the text puts into the command's typed slots;
- `numerals`, `dates`, `places`, `surroundings`: what the slots read (numbers, times, buildings, open objects);
- `phrasing`: the closed word lists (politeness, answers, doubt) that the others share.

Features declare commands by verbs and `slots`; no feature holds a pattern of its own.
"""
