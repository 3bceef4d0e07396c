"""All commands of `linli`."""

import typer

from bot.terminal import beginning, community, keeping, looking, outbox, paper, poster, privacy, roster, serving, trying

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="邻里：社区群聊机器人。",
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)

COMMANDS = (
    serving.demo,
    serving.run,
    trying.say,
    trying.replay,
    trying.understand,
    trying.when,
    beginning.init,
    community.found,
    community.invite,
    community.webhook,
    privacy.records,
    community.chart,
    paper.roll,
    poster.poster,
    roster.import_,
    roster.export,
    keeping.migrate,
    keeping.verify,
    keeping.backup,
    keeping.restore,
    looking.check,
    looking.config,
    looking.trace,
    outbox.outbox,
)
"""Every command, in the order in which the help shows them."""

for command in COMMANDS:
    # `import` is Python's own word.
    app.command(command.__name__.rstrip("_"))(command)
