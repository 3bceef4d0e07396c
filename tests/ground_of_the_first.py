"""A small community in a database of the first revision, by its own SQL: what every later migration must carry over.

The models speak of this release's tables only, so nothing of theirs is used here.
"""

from sqlalchemy import Connection, text

AT = "2026-11-17T11:30:00.000000Z"

ROWS = (
    f"INSERT INTO communities (id, slug, name, bot_name, since) VALUES (1, 'jinxiu', '锦绣社区', '小邻', '{AT}')",
    "INSERT INTO units (id, community_id, parent_id, kind, name, path, since)"
    f" VALUES (1, 1, NULL, 'community', '锦绣社区', '/1/', '{AT}'), (2, 1, 1, 'building', '3栋', '/1/2/', '{AT}')",
    "INSERT INTO members (id, community_id, unit_id, name, standing, room, phone, since)"
    f" VALUES (1, 1, 2, '王秀英', 'resident', '501', '13800000001', '{AT}'),"
    f" (2, 1, 2, '张敏', 'party_member', '', '', '{AT}')",
    f"INSERT INTO member_roles (community_id, member_id, unit_id, role, since) VALUES (1, 2, 1, 'secretary', '{AT}')",
    "INSERT INTO identities (namespace, external_id, community_id, member_id, since)"
    f" VALUES ('simulator', '王秀英', 1, 1, '{AT}')",
    "INSERT INTO transfers (id, community_id, key, currency, debit, credit, amount, reason, ref, month, at)"
    f" VALUES (1, 1, 'a', 'points', -1, 1, 5, 'award', 'award:1', 202611, '{AT}'),"
    f" (2, 1, 'b', 'points', -1, 2, 3, 'award', 'award:2', 202611, '{AT}')",
    "INSERT INTO balances (community_id, member_id, currency, amount) VALUES (1, 1, 'points', 5), (1, 2, 'points', 3)",
    "INSERT INTO monthly_totals (community_id, member_id, currency, month, amount)"
    " VALUES (1, 1, 'points', 202611, 5), (1, 2, 'points', 202611, 3)",
    f"INSERT INTO inbox (channel, message_id, community_id, member_id, outcome, reply, at)"
    f" VALUES ('app', 'm1', 1, 1, 'refused', '好的', '{AT}')",
)


def lay_first(connection: Connection) -> None:
    """Writes the rows inside the caller's transaction."""
    for statement in ROWS:
        connection.execute(text(statement))
    if connection.dialect.name == "postgresql":
        for table in ("communities", "units", "members", "transfers"):
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 9)"))
