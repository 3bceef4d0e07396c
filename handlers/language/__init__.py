"""How typed Chinese becomes a command: small, explainable, offline.

A text goes through these steps, each a module of its own:

- `normalise`: one spelling for everything (width, script, mentions, quotations, emoticons);
- `match`: which command the words can mean, and the cutting of several commands apart;
- `filling` and `readers`: what the rest of the text puts into the command's typed slots;
- `deciding`: whether it is done, asked about, or none of the bot's business.

They stand on `numerals`, `dates` (`days`, `hours`, `festivals`, `recurrence`), `places`, `surroundings` (what
is open in the community) and `phrasing` (the closed word lists: courtesy, answers, doubt).

Features declare commands by verbs and `slots`; no feature holds a pattern of its own.
"""
