"""The proof of the books finds whatever is wrong, and nothing where nothing is.

A database with a row in every table is damaged in every way that the proof knows, by plain SQL with the database's own
guards switched off, and each time exactly that violation must be named. The damage is rolled back.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, create_engine, func, insert, make_url, select, text, update
from sqlalchemy.orm import Session

from models import (
    accounts,
    activities,
    audit,
    broadcast,
    categories,
    check_in,
    duties,
    files,
    forgetting,
    handover,
    hearing,
    inbox,
    ledger,
    members,
    organisation,
    outages,
    outbox,
    pending,
    photos,
    points,
    posts,
    privacy,
    quiet,
    reports,
    roll_call,
    schedule,
    series,
    tenure,
    tree,
)
from models.base import Base
from models.clock import day_of
from models.database import postgresql_engine, sqlite_engine
from models.directory import Community, add_community, add_endpoint, add_group, groups_of
from models.ledger import Currency, SystemAccount
from models.members import Member, Role, Standing, add_member, claim_identity, decide_registration, find_people
from models.members.consent import Consent
from models.members.detaching import detach
from models.members.family import answer_tie, ask_tie
from models.members.invitations import Invitation, InvitationTry
from models.members.merging import Merge
from models.outbox import Attempt, AttemptItem, Outbox
from models.places import Location
from models.points import Rule, award_points, decide_appeal, set_rule
from models.proxies import Settings as ProxySettings
from models.proxies import act_for
from models.reach import Reach
from models.roster.stays import Home, take_home
from models.units import UnitKind, add_unit, find_unit, root_of
from models.verify import Violation, invariants, violations
from tests.moments import SATURDAY, TUESDAY_EVENING

APPEND_ONLY_SQLITE: str = import_module("models.migrations.versions.0001_first").APPEND_ONLY_SQLITE

NOW = TUESDAY_EVENING
LATER = SATURDAY + timedelta(hours=1)
MONTHS_AGO = NOW - timedelta(days=60)


def fill(session: Session) -> None:
    """Gives the demo community a row in every table, and a neighbour with a row wherever rows have parents."""
    ours = session.scalar(select(Community.id)) or 0
    ids = {row.name: row.id for row in session.execute(select(Member.id, Member.name))}

    def person(name: str) -> members.Person:
        (found,) = find_people(session, namespace="simulator", external_id=name, now=NOW)
        return found

    def activity(number: int) -> activities.ActivityHere:
        return activities.find_activity(session, community_id=ours, number=number)

    # 王五's community has rows of its own that ours could wrongly point to.
    theirs = add_community(session, slug="binhe", name="滨河社区", bot_name="小河", now=NOW)
    root = add_unit(session, community_id=theirs.id, parent=None, kind=UnitKind.COMMUNITY, name="滨河", now=NOW)
    wang = add_member(session, community_id=theirs.id, name="王五", unit=root, now=NOW)
    members.add_identity(
        session, community_id=theirs.id, member_id=wang, namespace="simulator", external_id="王五", now=NOW
    )
    group_id = add_group(session, community_id=theirs.id, unit=root, name="滨河群", now=NOW)
    add_endpoint(session, community_id=theirs.id, group_id=group_id, channel="simulator", address="滨河群", now=NOW)
    set_rule(session, community_id=theirs.id, kind="activity", rule=Rule(2, 1, 0, 0, 100, 20, 6, 100), since=NOW)
    other = activities.publish_activity(
        session, community_id=theirs.id, unit=root, title="义诊", place="", starts_at=SATURDAY,
        ends_at=SATURDAY + timedelta(hours=2), quota=None, points=None, made_by=wang, now=NOW,
        check_in_opens_minutes=30,
    )  # fmt: skip
    activities.sign_up(session, activity=other, member_id=wang, companions=0, made_by=wang, now=NOW, companions_max=5)
    coming = check_in.find_coming(session, community_id=theirs.id, number=other.number, now=LATER)
    assert coming is not None
    check_in.check_in(session, coming=coming, member_id=wang, made_by=wang, now=LATER)
    record(session, theirs.id, wang, "m-theirs", "checkin")

    claimed(session, ours, ids, person)
    squad = add_unit(session, community_id=theirs.id, parent=root, kind=UnitKind.SERVICE_TEAM, name="护河队", now=NOW)
    their_post = posts.publish_post(
        session, community_id=theirs.id, unit=root, plan=posts.Plan("门岗", "巡逻", 5, squad_id=squad.id),
        made_by=wang, now=NOW,
    )  # fmt: skip
    posts.claim(session, post=their_post, member_id=wang, made_by=wang, now=NOW)

    # Places run out at 清洁家园: somebody waits, somebody has left.
    full = activity(12)
    for name, companions in (("王秀英", 5), ("李建国", 5), ("孙姐", 5), ("老魏", 0)):
        activities.sign_up(
            session, activity=full, member_id=ids[name], companions=companions, made_by=ids[name], now=NOW,
            companions_max=5,
        )  # fmt: skip
    activities.cancel_signup(session, activity=full, member_id=ids["何叔"], by=ids["何叔"], now=NOW)

    # A place that is held for 孙姐, a sign-up that waits for a word, and somebody who does not come.
    small = activities.publish_activity(
        session, community_id=ours, unit=find_unit(session, community_id=ours, name="社区"), title="下象棋", place="",
        starts_at=SATURDAY, ends_at=SATURDAY + timedelta(hours=2), quota=1, points=None, made_by=ids["张敏"], now=NOW,
        check_in_opens_minutes=30,
    )  # fmt: skip
    for name, asks in (("王秀英", False), ("孙姐", False), ("老魏", True)):
        activities.sign_up(
            session, activity=small, member_id=ids[name], companions=0, made_by=ids[name], now=NOW, companions_max=5,
            asks=asks,
        )  # fmt: skip
    activities.cancel_signup(session, activity=small, member_id=ids["王秀英"], by=ids["王秀英"], now=NOW)
    activities.decline(session, activity=small, member_id=ids["何婶"], by=ids["何婶"], now=NOW)

    # One is there; one came and went; one took the check-out back; one took everything back.
    found = check_in.find_coming(session, community_id=ours, number=12, now=LATER)
    assert found is not None
    for name in ("王秀英", "李建国", "孙姐", "老魏"):
        check_in.check_in(session, coming=found, member_id=ids[name], made_by=ids[name], now=LATER)
    end = LATER + timedelta(minutes=59)
    for name in ("李建国", "孙姐", "老魏"):
        check_in.check_out(session, coming=found, member_id=ids[name], made_by=ids[name], now=end)
    by_name = {
        row.name: row.id
        for row in session.execute(
            select(Member.name, check_in.CheckIn.id)
            .join(Member, Member.id == check_in.CheckIn.member_id)
            .where(check_in.CheckIn.activity_id == full.id)
        )
    }
    out = session.scalar(select(check_in.CheckOut.id).where(check_in.CheckOut.check_in_id == by_name["孙姐"]))
    assert out is not None
    check_in.undo_check_out(session, community_id=ours, check_out_id=out, by=ids["孙姐"], now=end)
    check_in.undo_check_in(session, community_id=ours, check_in_id=by_name["老魏"], by=ids["老魏"], now=end)

    # What 清洁家园 asks for; a code, and one that was none; one who was there by word and is vouched for, one whose
    # stay was vouched for and taken back, and requests that wait, were granted, and were not.
    garden = Location(31.2304, 121.4737)
    terms = check_in.Terms((check_in.Way.CODE, check_in.Way.PLACE), garden, 200)
    check_in.set_terms(session, activity=full, terms=terms, by=ids["张敏"], now=LATER)
    check_in.code_of_the_day(session, activity=full, draws=[4821], now=LATER)
    check_in.wrong_code(session, community_id=ours, member_id=ids["王秀英"], now=LATER)
    after = full.ends_at + timedelta(hours=1)
    stay = check_in.vouch_stay(session, activity=full, member_id=ids["刘洋"], by=ids["张敏"])
    gone_again = check_in.vouch_stay(session, activity=full, member_id=ids["赵强"], by=ids["张敏"])
    assert stay.minutes == gone_again.minutes == 120
    check_in.undo_check_in(session, community_id=ours, check_in_id=gone_again.check_in_id, by=ids["张敏"], now=after)
    for name, approve in (("何叔", True), ("小吴", False), ("周敏", None)):
        request = check_in.ask_make_up(
            session, activity=full, member_id=ids[name], reason="忘了", came_at=None, now=after, days=7
        )
        if approve is not None:
            check_in.decide_make_up(
                session, reviewer=person("张敏"), role=Role.STAFF, number=request.number, approve=approve, answer="",
                now=after,
            )  # fmt: skip
    served(session, ours, ids, theirs.id, wang)

    # Points by hand; appeals upheld, dismissed and waiting; a transfer that was simply corrected.
    def give(name: str, amount: int) -> points.Given:
        member = members.find_member(session, community_id=ours, name=name)
        return award_points(
            session, giver=person("孙丽"), member=member, points=amount, reason="修灯", now=NOW, most=100
        )

    for name, amount in (("王秀英", 5), ("李建国", -1), ("陈美玲", 3), ("孙姐", 4)):
        give(name, amount)
    points.undo_award(session, community_id=ours, award_id=give("老魏", 7).id, by=ids["孙丽"], now=NOW)
    for name, uphold in (("王秀英", True), ("李建国", True), ("陈美玲", False), ("孙姐", None)):
        line = ledger.statement(session, community_id=ours, member_id=ids[name], currency=Currency.POINTS, limit=1)[0]
        made = points.appeal(session, member=person(name), transfer_id=line.id, reason="不对", now=NOW)
        if uphold is not None:
            decide_appeal(
                session, reviewer=person("张敏"), role=Role.STAFF, number=made.number, uphold=uphold, points=2,
                answer="查过了", now=NOW,
            )  # fmt: skip
    for key in ("misc:1", "misc:2"):
        posted = ledger.transfer(
            session, community_id=ours, key=key, currency=Currency.POINTS, debit=SystemAccount.ISSUED,
            credit=ids["何婶"], amount=len(key) + int(key[-1]), reason="misc", ref="misc:1", made_by=None, at=NOW,
        )  # fmt: skip
        assert posted is not None
        if key == "misc:1":
            ledger.correct(
                session, community_id=ours, transfer_id=posted.id, made_by=None, reason="undo", note="", at=NOW
            )

    # Requests: by the roster, approved, rejected, waiting.
    unit = find_unit(session, community_id=ours, name="3栋")
    for account, name in (("a", "张三"), ("b", "赵六"), ("c", "钱七"), ("d", "周八")):
        claim = claim_identity(
            session, community_id=ours, namespace="simulator", external_id=account, name=name, unit=unit,
            room="201", digits="1234", now=NOW,
        )  # fmt: skip
        for _ in range(0 if account == "a" else 2):
            claim = claim_identity(
                session, community_id=ours, namespace="simulator", external_id=account, name=name, unit=unit,
                room="201", digits="1234", now=NOW,
            )  # fmt: skip
        if account in "bc":
            decide_registration(
                session, reviewer=person("张敏"), role=Role.STAFF, number=claim.number, approve=account == "b",
                reason="", now=NOW,
            )  # fmt: skip

    # Messages: one that wrote twice, one that was refused; one act undone.
    first = record(session, ours, ids["王秀英"], "m1", "signup", "checkin")
    undo = record(session, ours, ids["王秀英"], "m2", "undo", ref=str(first))
    audit.mark_undone(session, community_id=ours, act_id=first, by=undo)
    answer(session, ours, ids["王秀英"], "m3", "refused")
    pending.ask(
        session, community_id=ours, member_id=ids["王秀英"], conversation="direct",
        question=pending.Question("signup", {}, "activity", ["12"]), expires_at=NOW,
    )  # fmt: skip
    inbox.keep_trouble(session, channel="simulator", message_id="m4", incoming={}, error="KeyError", at=NOW)

    # The outbox: waiting, sent, failed, unknown, handed on; to groups and to people.
    group = groups_of(session, community_id=ours)[0].id
    for number, state in enumerate(outbox.OutboxState):
        to: dict[str, Any] = {"member_id": ids["王秀英"]} if number % 2 else {"group_id": group}
        outbox.put(session, community_id=ours, key=f"k{number}", message="您好", now=NOW, expires_at=SATURDAY, **to)
        if state != "waiting":
            session.execute(
                update(Outbox)
                .where(Outbox.key == f"k{number}")
                .values(state=state, finished_at=NOW, dead_reason="expired" if state in ("failed", "handed_on") else "")
            )
    handed = session.execute(select(Outbox.id).where(Outbox.state == "handed_on")).scalar_one()
    outbox.put(
        session, community_id=ours, key=f"handed-on:{handed}", message="请转告", now=NOW, expires_at=SATURDAY,
        member_id=ids["老赵"],
    )  # fmt: skip
    outages.broke(session, community_id=ours, recipient="group:1", channel="webhook", reason="x", messages=1, wall=NOW)
    for number, outcome in enumerate(("sent", "failed")):
        attempt = session.execute(
            insert(Attempt).returning(Attempt.id),
            {
                "community_id": ours, "channel": "webhook", "address": "x", "began_at": NOW, "ended_at": NOW,
                "outcome": outcome, "detail": "",
            },
        ).scalar_one()  # fmt: skip
        row = session.execute(select(Outbox.id).where(Outbox.key == f"k{number + 1}")).scalar_one()
        session.execute(insert(AttemptItem), {"attempt_id": attempt, "outbox_id": row})
    schedule.begin_slot(session, job="ledger.prove", slot=NOW, wall=NOW)
    schedule.advance(session, until=NOW)

    hearing.note_heard(session, channel="app", wall=NOW)
    home = session.execute(select(Member.unit_id, Member.room).where(Member.id == ids["王秀英"])).one()
    take_home(session, community_id=ours, member_id=ids["王秀英"], home=Home(home.unit_id, home.room), now=NOW)
    # What later features write.
    session.execute(
        insert(Consent),
        {"community_id": ours, "member_id": ids["王秀英"], "version": "0", "at": NOW, "withdrawn_at": None},
    )
    session.execute(
        insert(Invitation),
        {
            "community_id": ours, "code_hash": "x", "role": Role.STAFF, "unit_id": unit.id, "expires_at": SATURDAY,
            "used_at": NOW, "used_by": ids["孙丽"], "made_by": ids["张敏"], "made_at": NOW,
        },
    )  # fmt: skip
    session.execute(insert(InvitationTry), {"namespace": "simulator", "external_id": "e", "at": NOW})

    # A team that was renamed, with a member and a leader who is none any more.
    zhang = person("张敏")
    here = {"community_id": ours, "by": zhang, "now": NOW}
    choir = tree.open_unit(
        session, kind=UnitKind.SERVICE_TEAM, name="合唱队", parent=find_unit(session, community_id=ours, name="社区"),
        **here,
    )  # fmt: skip
    tree.rename_unit(session, unit=choir, name="合唱团", **here)
    singer = members.find_member(session, community_id=ours, name="孙姐")
    organisation.join_unit(session, unit=choir, member=singer, **here)
    asked = members.Appointment(singer.id, Role.GROUP_LEADER, choir, None, leads=True)
    members.appoint(session, asked=asked, **here)
    (term,) = members.roles_held(session, community_id=ours, now=NOW, member_id=singer.id)
    members.dismiss(session, term=term, **here)
    session.execute(
        insert(Merge),
        {
            "community_id": ours, "number": 99, "from_member_id": ids["何婶"], "into_member_id": ids["何叔"],
            "at": NOW, "made_by": ids["张敏"], "moved": {}, "undone_at": NOW,
        },
    )  # fmt: skip

    # Two who are one person; a family; a lost phone; a link; somebody who is forgotten.
    keeper, merged = sorted(ids.values())[20:22]
    members.give_role(session, community_id=ours, member_id=merged, role=Role.MEMBER, unit=unit, now=NOW, by=None)
    accounts.merge(
        session,
        keeper=accounts.candidates(session, community_id=ours, number=keeper)[0],
        other=accounts.candidates(session, community_id=ours, number=merged)[0],
        by=person("张敏"),
        now=NOW,
    )
    for name in ("陈阿姨", "孙姐", "何叔"):
        ask_tie(
            session, proxy=person("王秀英"), now=NOW, most=9,
            member=members.find_member(session, community_id=ours, name=name),
        )  # fmt: skip
    answer_tie(session, member=person("何叔"), number=None, agree=True, now=NOW)
    answer_tie(session, member=person("孙姐"), number=None, agree=False, now=NOW)
    answer_tie(session, member=person("陈阿姨"), number=None, agree=True, now=NOW)
    member = members.find_member(session, community_id=ours, name="何叔")
    act_for(
        session, proxy=person("王秀英"), member=member, act="signup", ref="activity:12", now=NOW,
        limits=ProxySettings(),
    )  # fmt: skip
    # Series of both communities, with who always comes and a day that is skipped; one that was stopped; a report.
    for first, member_id in ((other, wang), (activity(14), ids["王秀英"])):
        one = series.start_series(session, first=first, rule="FREQ=WEEKLY;BYDAY=SA,SU", made_by=member_id, now=NOW)
        series.come_always(session, series=one, member_id=member_id, now=NOW, companions_max=5)
    day = (SATURDAY + timedelta(days=7)).date()
    series.skip_day(session, series=one, day=day, reason="", by=ids["张敏"], now=NOW)
    later = activities.publish_plan(
        session, community_id=ours, plan=one.plan, starts_at=SATURDAY + timedelta(days=30), made_by=ids["张敏"], now=NOW,
        points_max=100,
    )  # fmt: skip
    ended = series.start_series(session, first=later, rule="FREQ=MONTHLY;BYMONTHDAY=1", made_by=None, now=NOW)
    series.stop_series(session, series=ended, by=ids["张敏"], now=NOW)
    over = SATURDAY + timedelta(hours=3)
    report = reports.draft_report(session, activity=full, goes_at=over, now=over)
    assert report is not None
    reports.end_report(session, report=report, state=reports.ReportState.SENT, by=ids["张敏"], now=over)
    detach(session, community_id=ours, member_id=ids["老魏"], name="老魏", by=ids["张敏"], now=NOW)
    files.offer_file(session, community_id=ours, member_id=ids["王秀英"], kind="my_records", token="t" * 32, now=NOW)
    session.execute(insert(privacy.Kept), {"community_id": ours, "what": "replies", "last_id": 1})
    photos.keep(
        session, community_id=ours, member_id=ids["王秀英"], photos=[photos.Photo(b"a picture", "image/jpeg")],
        ref="activity:12", now=NOW,
    )  # fmt: skip
    announce(session, ours, theirs.id, ids, wang)
    classed(session, ours, ids)
    gone = ids["陈阿姨"]
    members.give_role(session, community_id=ours, member_id=gone, role=Role.MEMBER, unit=unit, now=NOW, by=None)
    activities.sign_up(
        session, activity=activity(13), member_id=gone, companions=0, made_by=gone, now=NOW, companions_max=5
    )
    forgetting.forget(session, community_id=ours, member_id=gone, by=gone, now=NOW)


def claimed(session: Session, ours: int, ids: dict[str, int], person: Callable[[str], members.Person]) -> None:
    """Posts in every state: held alone and together, applied for, asked about, waited for, offered, left, withdrawn."""

    def post(number: int) -> posts.PostHere:
        return posts.find_post(session, community_id=ours, number=number)

    def claim(number: int, name: str) -> posts.Claimed:
        return posts.claim(session, post=post(number), member_id=ids[name], made_by=ids[name], now=NOW)

    def ask(number: int, name: str, partner: str) -> None:
        posts.claim_together(
            session, post=post(number), member_id=ids[name], partner_id=ids[partner], partner_name=partner,
            agreed=False, now=NOW, answer_hours=72,
        )  # fmt: skip

    def leave(number: int, name: str) -> None:
        posts.release(
            session, post=post(number), member_id=ids[name], by=ids[name], why=posts.Why.RELEASED, now=NOW,
            offer_hours=72,
        )  # fmt: skip

    ask(4, "李建国", "赵强")
    claim(4, "赵强")
    claim(6, "周敏")
    (application,) = posts.applications(session, community_id=ours)
    posts.decide(session, application=application, by=ids["张敏"], agree=True, reason="", now=NOW)
    claim(6, "孙丽")
    claim(5, "孙丽")
    claim(5, "周敏")
    leave(5, "何婶")
    leave(3, "何叔")
    ask(3, "孙姐", "老魏")
    over = posts.publish_post(
        session, community_id=ours, unit=root_of(session, ours), plan=posts.Plan("门岗", "巡逻", 5),
        made_by=ids["张敏"], now=NOW,
    )  # fmt: skip
    claim(over.number, "小吴")
    posts.withdraw_post(session, post=over, reason="不需要了", by=ids["张敏"], now=NOW)


def announce(session: Session, ours: int, theirs: int, ids: dict[str, int], wang: int) -> None:
    """Notices in every state, with receipts and a reminder; chains with lines that stand and that are gone."""
    settings = broadcast.Settings()
    reach = Reach(frozenset({"simulator"}), frozenset({"simulator"}), frozenset({"simulator"}))
    wording = broadcast.Wording(lambda group: "停水", lambda member_id: "停水")

    def write(community_id: int, by: int, target: str, at: datetime = NOW, **more: Any) -> broadcast.Notice:
        unit = find_unit(session, community_id=community_id, name="社区")
        second = more.pop("second", False)
        kept_by, series_id = more.pop("kept_by", None), more.pop("series_id", None)
        parts = (broadcast.Part(find_unit(session, community_id=community_id, name=target)),)
        return broadcast.write_broadcast(
            session, community_id=community_id, unit=unit, made_by=by, now=at, settings=settings, second=second,
            kept_by=kept_by, series_id=series_id, draft=broadcast.Draft(parts, target, "停水", "停水", **more),
        )  # fmt: skip

    def send(notice: broadcast.Notice, at: datetime = NOW, by: Reach = reach) -> broadcast.Notice:
        plan = broadcast.plan(
            session, community_id=notice.community_id, parts=notice.parts, target="", reach=by, now=at
        )
        return broadcast.send(session, notice=notice, plan=plan, wording=wording, reach=by, now=at, settings=settings)

    long_ago = NOW - timedelta(days=5)
    send(write(theirs, wang, "社区", long_ago, wants_receipts=True), long_ago, Reach())
    write(ours, ids["刘洋"], "3栋", second=True)
    (approved,) = find_people(session, namespace="simulator", external_id="张敏", now=NOW)
    asked = write(ours, ids["刘洋"], "3栋", second=True)
    broadcast.decide_draft(
        session, reviewer=approved, number=asked.review_number or 0, approve=False, reason="不急", now=NOW
    )
    series = write(ours, ids["张敏"], "5栋", due_at=SATURDAY, rule="FREQ=DAILY", said="每天9点", kept_by=ids["张敏"])
    send(write(ours, ids["张敏"], "5栋", series_id=series.id))
    cut = send(write(ours, ids["张敏"], "4栋", wants_receipts=True, corrects=series.id))
    (lives,) = broadcast.listeners(session, community_id=ours, parts=cut.parts, now=NOW)[:1]
    broadcast.identify(session, notice=cut, name="孙悟空", building="4栋", room="1", digits="", now=NOW)
    broadcast.note_household(session, notice=cut, member_id=lives.id, note="家里没人", made_by=ids["张敏"], now=NOW)
    broadcast.remind(
        session, notice=cut, paths=[cut.unit.path], by=ids["张敏"], reachable=(), now=NOW, settings=settings
    )
    for community_id, by in ((theirs, wang), (ours, ids["张敏"])):
        chain = roll_call.begin_roll_call(
            session, community_id=community_id, title="包饺子", about="", made_by=by, now=NOW,
            group_id=groups_of(session, community_id=community_id)[0].id,
        )  # fmt: skip
        entries = [roll_call.Entry("甲", 1, "", by), roll_call.Entry("乙", 2), roll_call.Entry("丙")]
        for some in (entries, [entries[0], entries[2]]):
            roll_call.merge_version(session, chain=chain, entries=some, own=(), by=by)


def classed(session: Session, ours: int, ids: dict[str, int]) -> None:
    """Somebody who lives alone, and no more; a group and a person with quiet hours of their own."""
    wang, zhang = ids["王秀英"], ids["张敏"]
    mine = {"community_id": ours, "member_id": wang, "name": "王秀英", "by": zhang, "now": NOW}
    categories.give(session, standing=Standing.RESIDENT, category="独居老人", **mine)
    categories.take(session, category="独居老人", **mine)
    group = groups_of(session, community_id=ours)[0].id
    hours = quiet.Quiet(time(22), time(8))
    quiet.set_hours(session, community_id=ours, quiet=hours, by=zhang, now=NOW, group_id=group)
    quiet.set_hours(session, community_id=ours, quiet=hours, by=wang, now=NOW, member_id=wang)


def served(session: Session, ours: int, ids: dict[str, int], theirs: int, wang: int) -> None:
    """Entries in every state; posts handed over, offered, asked about, given up by silence; a leave."""

    def post(title: str, plan: posts.Plan, *names: str) -> posts.PostHere:
        made = posts.publish_post(
            session, community_id=ours, unit=root_of(session, ours), plan=plan, made_by=ids["张敏"], now=MONTHS_AGO
        )
        for name in names:
            posts.claim(session, post=made, member_id=ids[name], made_by=ids[name], now=MONTHS_AGO)
        return made

    def entry(at: posts.PostHere, name: str, note: str, minutes: int = 0) -> duties.Logged:
        return duties.log_duty(
            session, post=at, member_id=ids[name], done=day_of(NOW), note=note, minutes=minutes, now=NOW,
            settings=duties.Settings(),
        )  # fmt: skip

    night = post("夜巡", posts.Plan("夜巡", "巡逻", 9, points=2), "赵强", "周敏", "小吴", "孙姐", "老魏", "王秀英")
    asks = post("门灯", posts.Plan("门灯", "维修", 9, points=2, confirms=True), "赵强", "小吴")
    entry(night, "赵强", "巡了一圈", 30)
    undone = entry(night, "周敏", "巡了一圈", 30)
    duties.undo_log(session, community_id=ours, log_id=undone.entry.id, by=ids["周敏"], now=NOW)
    duties.come(session, post=night, member_id=ids["小吴"], now=NOW, settings=duties.Settings())
    duties.leave(
        session, post=night, member_id=ids["小吴"], minutes=0, now=NOW + timedelta(minutes=50),
        settings=duties.Settings(),
    )  # fmt: skip
    for note, agree in (("换了灯泡", True), ("看了看", False)):
        number = entry(asks, "赵强", note).entry.number
        (waiting,) = duties.waiting_entries(session, community_id=ours, number=number)
        duties.decide_entry(session, waiting=waiting, by=ids["张敏"], agree=agree, reason="", now=NOW)
    entry(asks, "小吴", "换了灯泡")

    def offer(giver: str, taker: str) -> handover.Offered:
        member = members.find_member(session, community_id=ours, name=taker)
        return handover.offer_post(session, post=night, giver_id=ids[giver], taker=member, now=NOW, days=3)

    taken = offer("周敏", "李建国")
    handover.take_over(session, offered=taken, taker_id=ids["李建国"], now=NOW, offer_hours=72)
    offer("小吴", "何婶")
    handover.decline_offer(session, offered=offer("赵强", "何婶"), now=NOW)
    held = {one.name: one for one in tenure.held(session, community_id=ours) if one.post.id == night.id}
    for name, said in (("孙姐", None), ("王秀英", tenure.Answer.STAYS), ("老魏", tenure.Answer.SILENCE)):
        asked = tenure.ask(
            session, one=held[name], kind=tenure.QuestionKind.IDLE, asked_id=ids[name], silence_days=7,
            now=NOW - timedelta(days=20),
        )  # fmt: skip
        if said is tenure.Answer.STAYS:
            tenure.answer(session, community_id=ours, question_id=asked.id, said=said, by=ids[name], now=NOW)
        elif said is tenure.Answer.SILENCE:
            tenure.give_up(session, asked=asked, now=NOW, offer_hours=72)
    tenure.take_leave(session, post=night, member_id=ids["赵强"], until=SATURDAY, reason="回老家", now=NOW, days_max=92)
    gate = posts.publish_post(
        session, community_id=theirs, unit=root_of(session, theirs), plan=posts.Plan("岗亭", "巡逻", 5), made_by=wang,
        now=NOW,
    )  # fmt: skip
    posts.claim(session, post=gate, member_id=wang, made_by=wang, now=NOW)
    duties.log_duty(
        session, post=gate, member_id=wang, done=day_of(NOW), note="站了岗", minutes=0, now=NOW,
        settings=duties.Settings(),
    )  # fmt: skip


def answer(session: Session, community_id: int, member_id: int, message_id: str, outcome: str) -> None:
    assert inbox.record(
        session, channel="simulator", message_id=message_id, community_id=community_id, member_id=member_id,
        outcome=outcome, reply="好的", ref="", at=NOW,
    )  # fmt: skip


def record(session: Session, community_id: int, member_id: int, message_id: str, *actions: str, ref: str = "1") -> int:
    """A message that wrote something, and its answer; returns the first act's id."""
    made = [
        audit.record(
            session, community_id=community_id, at=NOW, member_id=member_id, action=action, object_ref=ref,
            group_id=None, channel="simulator", message_id=message_id, detail={},
        )
        for action in actions
    ]  # fmt: skip
    answer(session, community_id, member_id, message_id, "act")
    return made[0]


@pytest.fixture(scope="session")
def whole_sqlite(sqlite_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path: Path = tmp_path_factory.mktemp("verify") / "whole.sqlite3"
    shutil.copy(sqlite_demo, path)
    engine = sqlite_engine(str(path))
    build(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def whole_postgresql(postgresql_server: str, postgresql_demo: str) -> Iterator[Engine]:
    server = make_url(postgresql_server).set(drivername="postgresql+psycopg")
    name = f"linli_verify_{secrets.token_hex(4)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {postgresql_demo}"))
    engine = postgresql_engine(server.set(database=name).render_as_string(hide_password=False), 1)
    build(engine)
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def whole(request: pytest.FixtureRequest) -> Engine:
    """A database of either kind with a row in every table and nothing wrong."""
    engine: Engine = request.getfixturevalue(f"whole_{request.param}")
    return engine


def build(engine: Engine) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        fill(Session(connection, autoflush=False))
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("COMMIT")


GUARDS = {
    "sqlite": ("PRAGMA foreign_keys=OFF", "PRAGMA ignore_check_constraints=ON", "BEGIN")
    + tuple(f"DROP TRIGGER transfers_append_only_{event}" for event in ("UPDATE", "DELETE")),
    "postgresql": (
        "SET LOCAL session_replication_role = replica",
        "ALTER TABLE transfers DROP CONSTRAINT ck_transfers_positive",
        "ALTER TABLE awards DROP CONSTRAINT ck_awards_not_to_oneself",
    ),
}
"""How each database is made to take anything, until the transaction ends."""
ANEW = {"sqlite": [APPEND_ONLY_SQLITE.format(event=event) for event in ("UPDATE", "DELETE")], "postgresql": []}
"""The guards whose absence would be a violation of its own."""


@contextmanager
def unguarded(engine: Engine) -> Iterator[Connection]:
    """A connection on which anything can be written, and nothing of it stays."""
    with engine.connect() as connection:
        for statement in GUARDS[engine.dialect.name]:
            connection.exec_driver_sql(statement)
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def named(engine: Engine, *damage: str) -> list[str]:
    """The violations that are found after these statements, which leave no trace."""
    with unguarded(engine) as connection:
        for statement in damage:
            changed = connection.execute(text(statement)).rowcount
            assert changed > 0 or statement.startswith("DROP"), f"no damage done: {statement}"
        for trigger in ANEW[engine.dialect.name]:
            connection.exec_driver_sql(trigger)
        return [violation.name for violation in prove(connection)]


def culprits(engine: Engine, name: str, *damage: str) -> list[Any]:
    """Those that the one invariant names after these statements, which leave no trace."""
    (invariant,) = (one for one in invariants() if one.name == name)
    with unguarded(engine) as connection:
        for statement in damage:
            connection.execute(text(statement))
        return list(connection.execute(invariant.culprits).scalars())


def prove(connection: Connection) -> list[Violation]:
    found = violations(Session(connection, autoflush=False))
    assert all(1 <= len(violation.culprits) <= 10 for violation in found)
    return found


# -- damage ----------------------------------------

WHEN = "'2020-01-01T00:00:00.000000Z'"
FALSE = "(SELECT hides_name FROM members WHERE NOT hides_name LIMIT 1)"
"""Either database's own."""
MINE = "community_id = (SELECT min(id) FROM communities)"
SOMEBODY = "(SELECT id FROM members WHERE name = '何婶')"
FIRST_BALANCE = (
    f"WHERE {MINE} AND currency = 'points' AND amount > 1"
    f" AND member_id = (SELECT max(member_id) FROM balances WHERE {MINE} AND currency = 'points' AND amount > 1)"
)
FIRST_MONTH = (
    f"WHERE {MINE} AND currency = 'points'"
    f" AND member_id = (SELECT max(member_id) FROM monthly_totals"
    f" WHERE {MINE} AND currency = 'points' AND month = 202611)"
    " AND month = 202611"
)
CORRECTION = "WHERE corrects = (SELECT id FROM transfers WHERE key = 'misc:1')"
HERE = (  # somebody is at 清洁家园 and has not left
    "(SELECT c.id FROM check_ins c JOIN members m ON m.id = c.member_id JOIN activities a ON a.id = c.activity_id"
    " WHERE m.name = '王秀英' AND a.number = 12)"
)
LATER_THAN_ALL = "'2026-12-31T00:00:00.000000Z'"
TODAY = "'2026-11-17T00:00:00.000000Z'"
LEFT = "(SELECT min(id) FROM check_outs WHERE undone_at IS NULL)"
CLEANING = "number = 12"
MEDIATES = (  # somebody holds 邻里纠纷调解岗 alone
    "ended_at IS NULL AND state = 'held' AND member_id = (SELECT id FROM members WHERE name = '老魏')"
)
GONE = "(SELECT id FROM members WHERE forgotten_at IS NOT NULL)"
MERGED = "(SELECT id FROM members WHERE merged_into IS NOT NULL)"
KEEPER = "(SELECT merged_into FROM members WHERE merged_into IS NOT NULL)"
FORGED = (
    "INSERT INTO transfers (community_id, key, currency, debit, credit, amount, reason, ref, month, at)"
    " SELECT community_id, 'forged', currency, debit, {0}, 1, reason, ref, 202001, at"
    " FROM transfers WHERE key = 'misc:2'",
    "INSERT INTO transfers (community_id, key, currency, debit, credit, amount, reason, ref, month, at)"
    " SELECT community_id, 'forged too', currency, {0}, debit, 1, reason, ref, 202002, at"
    " FROM transfers WHERE key = 'misc:2'",
    "INSERT INTO monthly_totals (community_id, member_id, currency, month, amount)"
    " SELECT community_id, {0}, currency, 202001, 1 FROM transfers WHERE key = 'misc:2'",
    "INSERT INTO monthly_totals (community_id, member_id, currency, month, amount)"
    " SELECT community_id, {0}, currency, 202002, -1 FROM transfers WHERE key = 'misc:2'",
)
"""A point that came in one month and went in another."""

EARNED = f"(SELECT id FROM transfers WHERE key = 'check-in:' || {HERE})"


def forged(debit: str, credit: str, amount: int = 1) -> str:
    """A transfer by hand that nothing asked for."""
    return (
        "INSERT INTO transfers (community_id, key, currency, debit, credit, amount, reason, ref, month, at)"
        f" SELECT community_id, 'forged', 'points', {debit}, {credit}, {amount}, 'manual', 'x', month, at"
        " FROM transfers WHERE key = 'misc:2'"
    )


def agreed(account: str, change: str, month: str) -> tuple[str, str]:
    """Lets the derived tables agree with what was done to the transfers."""
    where = f"WHERE currency = 'points' AND member_id = {account}"
    return (
        f"UPDATE balances SET amount = amount {change} {where}",
        f"UPDATE monthly_totals SET amount = amount {change} {where} AND month = {month}",
    )


DAMAGE: dict[str, list[tuple[str, ...]]] = {
    "series.stopped": [
        ("UPDATE series SET stopped_by = NULL WHERE stopped_at IS NOT NULL",),
        (f"UPDATE series SET stopped_at = {WHEN} WHERE stopped_at IS NULL AND {MINE}",),
    ],
    "occurrences.activity": [
        (
            "UPDATE occurrences SET activity_id = (SELECT id FROM activities WHERE number = 13)"
            f" WHERE activity_id IS NULL AND {MINE}",
        ),
    ],
    "occurrences.unit": [
        (f"UPDATE series SET unit_id = (SELECT max(id) FROM units WHERE {MINE}) WHERE stopped_at IS NULL AND {MINE}",),
    ],
    "reports.ended": [
        ("UPDATE reports SET ended_at = NULL",),
        ("UPDATE reports SET state = 'told'",),
    ],
    "balances.overdrawn": [
        (
            forged(SOMEBODY, "-3", 500),
            *agreed(SOMEBODY, "- 500", "(SELECT month FROM transfers WHERE key = 'forged')"),
        )
    ],
    "transfers.accounts": [(forged("-1", "-2"),), (forged("-1", "-3"),)],
    "activities.state": [
        ("UPDATE activities SET state = 'foo' WHERE number = 13",),
        (f"UPDATE activities SET cancelled_at = {WHEN} WHERE number = 13",),
        ("UPDATE activities SET state = 'cancelled' WHERE number = 13",),
    ],
    "activities.demand": [("UPDATE activities SET demand = 'awful' WHERE number = 13",)],
    "signups.cautioned": [(f"UPDATE signups SET cautioned = 'rain' WHERE undone_at IS NULL AND {MINE}",)],
    "activities.terms": [
        ("UPDATE activities SET confirm_minutes = -1 WHERE number = 13",),
        (f"UPDATE activities SET signup_opens_at = {TODAY}, signup_closes_at = {WHEN} WHERE number = 13",),
    ],
    "signups.offered": [("UPDATE signups SET offered_until = NULL WHERE state = 'offered'",)],
    "signups.asked": [("UPDATE signups SET number = NULL WHERE state = 'asked'",)],
    "declines.signed_up": [
        ("UPDATE declines SET member_id = (SELECT member_id FROM signups WHERE state = 'offered')",)
    ],
    "signups.state": [("UPDATE signups SET state = 'foo' WHERE undone_at IS NOT NULL",)],
    "signups.undone": [
        ("UPDATE signups SET undone_by = NULL WHERE undone_at IS NOT NULL",),
        (f"UPDATE signups SET undone_by = {SOMEBODY} WHERE undone_at IS NULL AND {MINE}",),
        # Nobody took it back, and its time was not over.
        (f"UPDATE signups SET undone_at = {WHEN} WHERE state = 'offered'",),
    ],
    "check_ins.points": [
        (
            *agreed(
                f"(SELECT member_id FROM check_ins WHERE id = {HERE})",
                f"- (SELECT amount FROM transfers WHERE id = {EARNED})",
                f"(SELECT month FROM transfers WHERE id = {EARNED})",
            ),
            f"DELETE FROM transfers WHERE id = {EARNED}",
        ),
    ],
    "check_outs.window": [
        (f"UPDATE check_outs SET at = {WHEN} WHERE id = {LEFT}",),
        (f"UPDATE check_outs SET at = {WHEN.replace('2020', '2030')} WHERE id = {LEFT}",),
    ],
    "awards.giver": [
        (
            "UPDATE transfers SET made_by = credit WHERE key = (SELECT 'award:' || id FROM awards WHERE points = 3)",
            "UPDATE awards SET made_by = member_id WHERE points = 3",
        ),
    ],
    "appeals.state": [
        ("UPDATE appeals SET state = 'foo' WHERE state = 'dismissed'",),
        ("UPDATE appeals SET decided_at = NULL WHERE state = 'dismissed'",),
        (f"UPDATE appeals SET decided_at = {WHEN} WHERE state = 'waiting'",),
    ],
    "audit.undone": [
        ("UPDATE audit SET undone_by = id WHERE undone_by IS NOT NULL",),
        ("UPDATE audit SET object_ref = '0' WHERE message_id = 'm2'",),
        ("UPDATE audit SET action = 'checkin' WHERE message_id = 'm2'",),
    ],
    "member_roles.role": [("UPDATE member_roles SET role = 'emperor' WHERE id = 1",)],
    "audit.points": [
        (
            "UPDATE audit SET action = 'check_in', object_ref = '999999', detail = '{\"points\"\\:5}'"
            " WHERE message_id = 'm-theirs'",
        ),
    ],
    "balances.sum": [
        (f"UPDATE balances SET amount = amount + 1 {FIRST_BALANCE}",),
        (f"UPDATE balances SET amount = 0 {FIRST_BALANCE}",),
        (f"DELETE FROM balances {FIRST_BALANCE}",),
        (
            "INSERT INTO balances (community_id, member_id, currency, amount)"
            f" SELECT community_id, id, 'vouched_minutes', 5 FROM members WHERE id = {SOMEBODY}",
        ),
    ],
    "monthly_totals.sum": [
        (f"UPDATE monthly_totals SET amount = amount - 1 {FIRST_MONTH}",),
        (f"UPDATE monthly_totals SET month = 202001 {FIRST_MONTH}",),
        (f"DELETE FROM monthly_totals {FIRST_MONTH}",),
        (
            "INSERT INTO monthly_totals (community_id, member_id, currency, month, amount)"
            f" SELECT community_id, id, 'vouched_minutes', 202611, 5 FROM members WHERE id = {SOMEBODY}",
        ),
    ],
    "transfers.source": [
        ("UPDATE transfers SET reason = '' WHERE key = 'misc:2'",),
        ("UPDATE transfers SET ref = '' WHERE key = 'misc:2'",),
        (
            "UPDATE transfers SET amount = 0 WHERE key = 'misc:2'",
            f"DELETE FROM balances WHERE member_id = {SOMEBODY}",
            f"DELETE FROM monthly_totals WHERE member_id = {SOMEBODY}",
            # What the first two statements left is nothing, or else the sums would be wrong.
            "INSERT INTO balances (community_id, member_id, currency, amount)"
            " SELECT community_id, credit, currency, sum(amount) FROM ("
            "  SELECT community_id, credit, currency, amount FROM transfers UNION ALL"
            "  SELECT community_id, debit, currency, -amount FROM transfers) AS sides"
            f" WHERE credit = {SOMEBODY} GROUP BY community_id, credit, currency",
            "INSERT INTO monthly_totals (community_id, member_id, currency, month, amount)"
            " SELECT community_id, credit, currency, month, sum(amount) FROM ("
            "  SELECT community_id, credit, currency, month, amount FROM transfers UNION ALL"
            "  SELECT community_id, debit, currency, month, -amount FROM transfers) AS sides"
            f" WHERE credit = {SOMEBODY} GROUP BY community_id, credit, currency, month",
        ),
    ],
    "transfers.correction": [
        (f"UPDATE transfers SET corrects = (SELECT id FROM transfers WHERE key = 'misc:2') {CORRECTION}",),
    ],
    "units.path": [
        ("UPDATE units SET path = '/999/' WHERE name = '1栋中心户'",),
        ("UPDATE units SET path = path || path WHERE name = '1栋中心户'",),
        ("UPDATE units SET path = '/' WHERE name = '滨河'",),
        ("UPDATE units SET parent_id = (SELECT id FROM units WHERE name = '2栋党小组') WHERE name = '1栋中心户'",),
    ],
    "units.parent": [("UPDATE units SET kind = 'door' WHERE name = '9栋中心户'",)],
    "units.closed": [(f"UPDATE units SET until = {TODAY} WHERE name = '1栋'",)],
    "units.span": [(f"UPDATE units SET until = {WHEN} WHERE name = '9栋中心户'",)],
    "unit_pasts.span": [(f"UPDATE unit_pasts SET until = {WHEN}",)],
    "unit_members.joined": [
        (
            "UPDATE unit_members SET unit_id = (SELECT id FROM units WHERE name = '1栋')"
            " WHERE unit_id = (SELECT id FROM units WHERE name = '合唱团')",
        ),
    ],
    "unit_members.closed": [(f"UPDATE units SET until = {LATER_THAN_ALL} WHERE name = '合唱团'",)],
    "unit_members.span": [
        (f"UPDATE unit_members SET until = {WHEN} WHERE unit_id = (SELECT id FROM units WHERE name = '合唱团')",),
    ],
    "members.home_open": [
        (
            f"UPDATE units SET until = {TODAY}"
            " WHERE name = '2单元' AND parent_id = (SELECT id FROM units WHERE name = '9栋')",
        ),
    ],
    "member_roles.one_leader": [("UPDATE member_roles SET until = NULL WHERE leads AND until < '2026-11-01'",)],
    "member_roles.leader_fits": [("UPDATE member_roles SET role = 'staff' WHERE leads AND role = 'member'",)],
    "member_roles.term": [(f"UPDATE member_roles SET until = {WHEN} WHERE role = 'property'",)],
    "member_roles.closed": [(f"UPDATE units SET until = {TODAY} WHERE name = '1栋中心户'",)],
    "invitations.used": [
        ("UPDATE invitations SET used_by = NULL",),
        ("UPDATE invitations SET used_at = NULL",),
        (f"UPDATE invitations SET expires_at = {WHEN}",),
    ],
    "activities.quota": [
        (f"UPDATE activities SET quota = quota - 5 WHERE {CLEANING}",),
        ("UPDATE signups SET companions = 50 WHERE member_id = (SELECT id FROM members WHERE name = '王秀英')",),
        (f"UPDATE signups SET state = 'confirmed' WHERE activity_id = (SELECT id FROM activities WHERE {CLEANING})",),
    ],
    "activities.waiting": [
        (f"UPDATE activities SET quota = 100 WHERE {CLEANING}",),
        (f"UPDATE activities SET quota = NULL WHERE {CLEANING}",),
        (
            f"UPDATE signups SET undone_at = {WHEN}, undone_by = member_id WHERE state = 'confirmed' AND activity_id ="
            f" (SELECT id FROM activities WHERE {CLEANING})",
        ),
    ],
    "check_ins.window": [
        (f"UPDATE check_ins SET at = (SELECT ends_at FROM activities WHERE {CLEANING}) WHERE id = {HERE}",),
        (f"UPDATE check_ins SET at = {WHEN} WHERE id = {HERE}",),
    ],
    "check_ins.called_off": [
        (f"UPDATE activities SET state = 'cancelled', cancelled_at = {WHEN} WHERE {CLEANING}",),
    ],
    "check_ins.undone": [(f"UPDATE check_ins SET undone_at = {WHEN} WHERE id = {HERE}",)],
    "check_ins.orphan_points": [
        (f"DELETE FROM check_ins WHERE id = {HERE}",),
        ("UPDATE transfers SET reason = 'check_in' WHERE key = 'misc:2'",),
    ],
    "check_outs.undone": [(f"UPDATE check_outs SET undone_at = {WHEN} WHERE id = {LEFT}",)],
    "check_outs.orphan_points": [
        (f"DELETE FROM check_outs WHERE id = {LEFT}",),
        ("UPDATE transfers SET reason = 'service' WHERE key = 'misc:2'",),
        ("UPDATE transfers SET reason = 'hours' WHERE key = 'misc:2'",),
    ],
    "check_outs.minutes": [
        (f"UPDATE check_outs SET minutes = minutes + 1 WHERE id = {LEFT}",),
        (f"UPDATE check_outs SET minutes = 0 WHERE id = {LEFT}",),
    ],
    "check_outs.check_in": [
        (
            "UPDATE check_outs SET undone_at = NULL"
            " WHERE check_in_id IN (SELECT id FROM check_ins WHERE undone_at IS NOT NULL)",
        ),
    ],
    "awards.transfer": [
        ("UPDATE awards SET points = 50 WHERE points = 5",),
        ("UPDATE awards SET points = -points WHERE points = 5",),
        (f"UPDATE awards SET member_id = {SOMEBODY} WHERE points = 5",),
        (f"UPDATE awards SET made_by = {SOMEBODY} WHERE points = 5",),
        (
            "UPDATE transfers SET amount = amount + 3 WHERE reason = 'award' AND amount = 4",
            *agreed(
                "(SELECT credit FROM transfers WHERE reason = 'award' AND amount = 7 AND NOT EXISTS"
                " (SELECT 1 FROM transfers AS back WHERE back.corrects = transfers.id))",
                "+ 3",
                "202611",
            ),
        ),
        (
            "INSERT INTO awards (community_id, member_id, points, reason, made_by, at)"
            " SELECT community_id, member_id, points, reason, made_by, at FROM awards WHERE points = 5",
        ),
    ],
    "awards.undone": [(f"UPDATE awards SET undone_at = {WHEN} WHERE points = 5",)],
    "appeals.reviewer": [
        ("UPDATE appeals SET decided_by = member_id WHERE state = 'dismissed'",),
        (
            "UPDATE appeals SET decided_by = (SELECT made_by FROM transfers WHERE transfers.id = transfer_id)"
            " WHERE state = 'dismissed'",
        ),
    ],
    "appeals.upheld": [("UPDATE appeals SET state = 'upheld' WHERE state = 'dismissed'",)],
    "registrations.decided": [
        (f"UPDATE registrations SET decided_at = {WHEN} WHERE state = 'waiting'",),
        ("UPDATE registrations SET decided_at = NULL WHERE state = 'rejected'",),
        ("UPDATE registrations SET member_id = NULL WHERE state = 'approved'",),
    ],
    "registrations.why": [("UPDATE registrations SET why = '' WHERE state = 'waiting'",)],
    "registrations.one_waits": [
        (
            "INSERT INTO registrations (community_id, number, namespace, external_id, name, unit_id, state, why, at)"
            " SELECT community_id, 99, namespace, external_id, name, unit_id, state, why, at FROM registrations"
            " WHERE state = 'waiting'",
        ),
    ],
    "wrong_tries.wait": [
        ("DELETE FROM registrations WHERE state = 'waiting'",),
        (
            "INSERT INTO wrong_tries (community_id, namespace, external_id, about, at)"
            " SELECT community_id, namespace, external_id, about, at FROM wrong_tries WHERE external_id = 'd' LIMIT 1",
        ),
    ],
    "identities.ground": [
        ("UPDATE registrations SET external_id = 'x' WHERE state = 'approved' AND external_id = 'a'",),
        ("UPDATE identities SET ground = '' WHERE external_id = 'a'",),
    ],
    "member_homes.open": [
        ("UPDATE member_homes SET room = '999' WHERE until IS NULL",),
        ("UPDATE members SET room = '999' WHERE name = '王秀英'",),
    ],
    "consents.version": [
        ("UPDATE consents SET version = '' WHERE version = '0'",),
        (
            "UPDATE consents SET withdrawn_at = '2020-01-01T00:00:00.000000Z'"
            " WHERE member_id = (SELECT id FROM members WHERE name = '王秀英')",
        ),
    ],
    "audit.answered": [("DELETE FROM inbox WHERE message_id = 'm1'",)],
    "audit.once": [
        (
            "INSERT INTO audit (community_id, at, member_id, action, object_ref, channel, message_id, detail)"
            " SELECT community_id, at, member_id, action, object_ref, channel, message_id, detail"
            " FROM audit WHERE message_id = 'm1'",
        ),
    ],
    "audit.effect": [
        ("DELETE FROM audit WHERE message_id = 'm-theirs'",),
        ("UPDATE inbox SET outcome = 'act' WHERE message_id = 'm3'",),
    ],
    "outbox.state": [
        ("UPDATE outbox SET state = 'lost' WHERE state = 'unknown'",),
        (f"UPDATE outbox SET finished_at = {WHEN} WHERE state = 'waiting'",),
        ("UPDATE outbox SET finished_at = NULL WHERE state = 'sent'",),
        ("UPDATE outbox SET finished_at = NULL WHERE state = 'unknown'",),
        ("UPDATE outbox SET dead_reason = '' WHERE state = 'failed'",),
        ("UPDATE outbox SET dead_reason = '' WHERE state = 'handed_on'",),
    ],
    "outbox.held": [
        (f"UPDATE outbox SET leased_until = {WHEN} WHERE state = 'sent'",),
        (f"UPDATE outbox SET retry_at = {WHEN} WHERE state = 'failed'",),
        ("UPDATE outbox SET lease = 'x' WHERE state = 'unknown'",),
    ],
    "outbox.handed_on": [("UPDATE outbox SET key = 'x' WHERE key LIKE 'handed-on:%'",)],
    "attempts.outcome": [
        ("UPDATE attempts SET outcome = 'lost' WHERE outcome = 'failed'",),
        ("UPDATE attempts SET ended_at = NULL WHERE outcome = 'failed'",),
    ],
    "attempts.running": [
        ("UPDATE attempts SET outcome = 'running', ended_at = NULL WHERE outcome = 'failed'",),
    ],
    "outages.incident": [("UPDATE outages SET incident = 0",), ("UPDATE outages SET messages = -1",)],
    "outbox.sent": [
        ("DELETE FROM attempt_items WHERE outbox_id = (SELECT id FROM outbox WHERE state = 'sent')",),
        ("UPDATE attempts SET outcome = 'failed' WHERE outcome = 'sent'",),
    ],
    "job_slots.state": [("UPDATE job_slots SET state = 'lost'",)],
    "monthly_totals.merged": [tuple(one.format(MERGED) for one in FORGED)],
    "merges.member": [
        ("UPDATE members SET merged_into = NULL WHERE merged_into IS NOT NULL",),
        (f"UPDATE members SET merged_into = {SOMEBODY} WHERE merged_into IS NOT NULL",),
        (f"UPDATE merges SET undone_at = {WHEN} WHERE undone_at IS NULL",),
    ],
    "member_categories.member": [
        (f"UPDATE member_categories SET member_id = {MERGED} WHERE name = '低保户'",),
    ],
    "member_categories.excluding": [("UPDATE member_categories SET name = '网格管理' WHERE name = '在职党员'",)],
    "member_categories.term": [(f"UPDATE member_categories SET until = {WHEN} WHERE until IS NOT NULL",)],
    "merges.identity": [(f"UPDATE identities SET member_id = {MERGED} WHERE member_id = {KEEPER}",)],
    "merges.role": [(f"UPDATE member_roles SET member_id = {MERGED} WHERE member_id = {KEEPER}",)],
    "family_ties.say": [
        ("UPDATE family_ties SET decided_by = NULL WHERE state = 'live'",),
        ("UPDATE family_ties SET decided_by = proxy_id WHERE state = 'live'",),
        ("UPDATE family_ties SET since = NULL WHERE state = 'live'",),
        ("UPDATE family_ties SET ground = 'vouched' WHERE state = 'live'",),
    ],
    "family_ties.ended": [
        (f"UPDATE family_ties SET ended_at = {WHEN} WHERE state = 'live'",),
        ("UPDATE family_ties SET ended_at = NULL WHERE state = 'refused'",),
    ],
    "family_ties.forgotten": [
        (f"UPDATE family_ties SET state = 'live', ended_at = NULL WHERE member_id = {GONE}",),
    ],
    "posts.state": [
        ("UPDATE posts SET state = 'x' WHERE number = 7",),
        ("UPDATE posts SET withdrawn_at = NULL WHERE state = 'withdrawn'",),
        ("UPDATE posts SET demand = 'x' WHERE number = 7",),
        ("UPDATE posts SET claiming = 'x' WHERE number = 7",),
        ("UPDATE posts SET title = '' WHERE number = 7",),
    ],
    "posts.squad": [("UPDATE posts SET squad_id = unit_id WHERE number = 4",)],
    "posts.slots": [("UPDATE posts SET slots = 1 WHERE number = 4",)],
    "posts.waiting": [("UPDATE posts SET slots = 9 WHERE number = 5",)],
    "claims.state": [
        (f"UPDATE claims SET state = 'x', since = NULL WHERE {MEDIATES}",),
        (f"UPDATE claims SET since = NULL WHERE {MEDIATES}",),
        (f"UPDATE claims SET answer_by = {WHEN} WHERE {MEDIATES}",),
        ("UPDATE claims SET answer_by = NULL WHERE state = 'offered' AND ended_at IS NULL",),
        ("UPDATE claims SET partner_id = NULL WHERE state = 'asked' AND ended_at IS NULL",),
    ],
    "claims.ended": [
        ("UPDATE claims SET ended_why = '' WHERE ended_why = 'released'",),
        ("UPDATE claims SET ended_why = 'x' WHERE ended_why = 'released'",),
        (f"UPDATE claims SET ended_by = member_id WHERE {MEDIATES}",),
    ],
    "claims.withdrawn": [
        (
            "UPDATE claims SET ended_at = NULL, ended_by = NULL, ended_why = ''"
            " WHERE post_id = (SELECT id FROM posts WHERE state = 'withdrawn')",
        ),
    ],
    "claims.together": [
        (
            "UPDATE claims SET partner_id = NULL"
            " WHERE ended_at IS NULL AND member_id = (SELECT id FROM members WHERE name = '李建国')",
        ),
    ],
    "claims.gone": [(f"UPDATE claims SET member_id = {GONE} WHERE {MEDIATES}",)],
    "broadcasts.looked_at": [
        ("UPDATE broadcasts SET look_at = NULL WHERE state = 'draft'",),
        (f"UPDATE broadcasts SET look_at = {WHEN} WHERE state = 'cancelled'",),
        ("UPDATE broadcasts SET ended_at = NULL WHERE state = 'cancelled'",),
    ],
    "broadcasts.confirmed": [
        ("UPDATE broadcasts SET confirmed_at = NULL WHERE number = 7",),
        ("UPDATE broadcasts SET confirmed_by = made_by WHERE state = 'draft'",),
        ("UPDATE broadcasts SET sent_at = NULL WHERE state = 'sending' AND NOT wants_receipts",),
    ],
    "broadcast_copies.once": [
        (
            "INSERT INTO broadcast_copies (community_id, broadcast_id, group_id, state, ended_at)"
            " SELECT community_id, broadcast_id, group_id, state, ended_at FROM broadcast_copies WHERE state = 'sent'",
        )
    ],
    "broadcast_copies.ended": [
        ("UPDATE broadcast_copies SET ended_at = NULL WHERE state = 'sent'",),
        (f"UPDATE broadcast_copies SET ended_at = {WHEN} WHERE state = 'waiting'",),
    ],
    "receipts.wanted": [
        (f"UPDATE receipts SET at = {WHEN}",),
        (f"UPDATE broadcasts SET wants_receipts = {FALSE} WHERE number = 7",),
    ],
    "receipts.way": [(f"UPDATE receipts SET made_by = {SOMEBODY} WHERE way = 'own'",)],
    "page_tries.wanted": [(f"UPDATE page_tries SET at = {WHEN}",)],
    "household_notes.wanted": [(f"UPDATE household_notes SET at = {WHEN}",)],
    "broadcast_reminders.wanted": [(f"UPDATE broadcast_reminders SET at = {WHEN}",)],
    "roll_call_lines.version": [
        ("UPDATE roll_call_lines SET added_in = 99 WHERE gone_in IS NULL",),
        ("UPDATE roll_call_lines SET count = 0 WHERE gone_in IS NULL",),
    ],
    "duty_logs.state": [
        ("UPDATE duty_logs SET state = 'x' WHERE state = 'rejected'",),
        ("UPDATE duty_logs SET decided_at = NULL WHERE state = 'rejected'",),
        (f"UPDATE duty_logs SET decided_at = {WHEN} WHERE state = 'waiting'",),
        ("UPDATE duty_logs SET number = NULL WHERE state = 'rejected'",),
    ],
    "duty_logs.undone": [("UPDATE duty_logs SET undone_by = NULL WHERE undone_at IS NOT NULL",)],
    "duty_logs.decider": [("UPDATE duty_logs SET decided_by = member_id WHERE state = 'rejected'",)],
    "duty_logs.stay": [
        ("UPDATE duty_logs SET came_at = NULL WHERE left_at IS NOT NULL",),
        (f"UPDATE duty_logs SET left_at = {WHEN} WHERE left_at IS NOT NULL",),
        (f"UPDATE duty_logs SET left_at = {LATER_THAN_ALL}, came_at = at WHERE state = 'waiting'",),
    ],
    "duty_logs.minutes": [
        ("UPDATE duty_logs SET minutes = 31 WHERE minutes = 30 AND undone_at IS NULL",),
        ("UPDATE duty_logs SET minutes = 0 WHERE minutes = 30 AND undone_at IS NULL",),
    ],
    "duty_credits.counts": [
        (
            f"UPDATE duty_logs SET undone_at = {WHEN}, undone_by = member_id"
            " WHERE undone_at IS NULL AND state = 'counted' AND number IS NOT NULL",
        ),
        ("UPDATE duty_logs SET state = 'rejected' WHERE state = 'counted' AND number IS NOT NULL",),
    ],
    "duty_credits.booked": [
        (f"UPDATE duty_credits SET amount = amount + 1 WHERE currency = 'points' AND undone_at IS NULL AND {MINE}",),
        (f"UPDATE duty_logs SET member_id = {SOMEBODY} WHERE state = 'counted' AND number IS NOT NULL",),
    ],
    "duty_credits.undone": [
        (f"UPDATE duty_credits SET undone_at = {WHEN} WHERE currency = 'points' AND undone_at IS NULL AND {MINE}",),
    ],
    "duty_credits.orphan_points": [
        ("DELETE FROM duty_credits WHERE undone_at IS NOT NULL",),
        ("UPDATE transfers SET reason = 'duty' WHERE key = 'misc:2'",),
    ],
    "handovers.state": [
        ("UPDATE handovers SET state = 'x' WHERE state = 'declined'",),
        ("UPDATE handovers SET state = 'declined' WHERE ended_at IS NULL",),
        ("UPDATE handovers SET taken_claim_id = NULL WHERE state = 'taken'",),
    ],
    "handovers.moment": [
        ("UPDATE claims SET ended_why = 'released' WHERE ended_why = 'handed_over'",),
        (f"UPDATE claims SET ended_at = {WHEN} WHERE ended_why = 'handed_over'",),
    ],
    "tenure_questions.state": [
        ("UPDATE tenure_questions SET kind = 'x' WHERE answered_at IS NULL",),
        ("UPDATE tenure_questions SET answer = 'stays' WHERE answered_at IS NULL",),
        ("UPDATE tenure_questions SET answer = 'x' WHERE answer = 'stays'",),
        ("UPDATE tenure_questions SET due_at = asked_at WHERE answered_at IS NULL",),
    ],
    "claims.asked_first": [("UPDATE tenure_questions SET answer = 'stays' WHERE answer = 'silence'",)],
    "post_leaves.span": [("UPDATE post_leaves SET until = since",)],
    "proxy_acts.right": [("UPDATE proxy_acts SET \"right\" = 'whim'",)],
    "proxy_acts.oneself": [("UPDATE proxy_acts SET proxy_id = member_id",)],
    "detachments.forgotten": [(f"UPDATE detachments SET member_id = {GONE}",)],
    "downloads.late": [("UPDATE downloads SET fetched_at = expires_at",)],
    "members.forgotten": [
        (f"UPDATE members SET {column} = 'x' WHERE forgotten_at IS NOT NULL",)
        for column in ("name", "phone", "room", "employer", "basis", "born", "standing")
    ],
    "identities.forgotten": [(f"UPDATE identities SET member_id = {GONE} WHERE member_id = {SOMEBODY}",)],
    "member_roles.forgotten": [(f"UPDATE member_roles SET until = NULL WHERE member_id = {GONE}",)],
    "signups.forgotten": [(f"UPDATE signups SET undone_at = NULL, undone_by = NULL WHERE member_id = {GONE}",)],
    "consents.forgotten": [(f"UPDATE consents SET withdrawn_at = NULL WHERE member_id = {GONE}",)],
    "check_in_terms.spot": [("UPDATE check_in_terms SET latitude = NULL",)],
    "check_in_terms.ways": [("UPDATE check_in_terms SET ways = ''",)],
    "check_in_codes.code": [("UPDATE check_in_codes SET code = 999",)],
    "check_ins.way": [(f"UPDATE check_ins SET way = 'x' WHERE id = {HERE}",)],
    "make_ups.state": [
        ("UPDATE make_ups SET decided_at = NULL WHERE state = 'rejected'",),
        ("UPDATE make_ups SET state = 'x' WHERE state = 'rejected'",),
        ("UPDATE make_ups SET check_in_id = NULL WHERE state = 'approved'",),
    ],
    "make_ups.check_in": [
        (f"UPDATE make_ups SET check_in_id = {HERE} WHERE state = 'approved'",),
    ],
    "make_ups.own": [("UPDATE make_ups SET decided_by = member_id WHERE state = 'approved'",)],
    "vouchings.minutes": [("UPDATE vouchings SET minutes = minutes + 1 WHERE undone_at IS NULL",)],
    "vouchings.undone": [
        (f"UPDATE vouchings SET undone_at = {WHEN} WHERE id = (SELECT min(id) FROM vouchings)",),
    ],
    "vouchings.orphan_minutes": [("DELETE FROM vouchings WHERE undone_at IS NOT NULL",)],
    "vouchings.earner": [(f"UPDATE vouchings SET check_in_id = {HERE} WHERE id = (SELECT min(id) FROM vouchings)",)],
    "vouchings.check_in": [
        (
            "UPDATE vouchings SET undone_at = NULL WHERE check_in_id = (SELECT c.id FROM check_ins c"
            " JOIN members m ON m.id = c.member_id WHERE m.name = '赵强' AND c.way = 'vouched')",
        ),
    ],
    "photos.forgotten": [(f"UPDATE photos SET member_id = {GONE}",)],
    "photos.size": [("UPDATE photos SET size = size + 1",)],
    "erasures.words": [(f"UPDATE erasures SET done_at = {WHEN}",)],
}
"""By the name of each declared invariant, the ways in which it is broken, and nothing but it."""

SUMS = ("balances.sum", "monthly_totals.sum")
TOGETHER: list[tuple[tuple[str, ...], set[str]]] = [
    (
        (
            "DROP INDEX uq_duty_credits_live",
            "INSERT INTO duty_credits (community_id, log_id, currency, amount, at)"
            " SELECT community_id, log_id, currency, amount, at FROM duty_credits"
            " WHERE undone_at IS NULL AND currency = 'points' AND id = (SELECT max(id) FROM duty_credits"
            f" WHERE undone_at IS NULL AND currency = 'points' AND {MINE})",
        ),
        {"schema.unique", "duty_credits.once", "duty_credits.booked"},
    ),
    (
        (
            "DROP INDEX uq_handovers_open",
            "INSERT INTO handovers (community_id, claim_id, taker_id, state, at, expires_at)"
            " SELECT community_id, claim_id, taker_id, state, at, expires_at FROM handovers WHERE ended_at IS NULL",
        ),
        {"schema.unique", "handovers.once"},
    ),
    (
        (
            "DROP INDEX uq_tenure_questions_open",
            "INSERT INTO tenure_questions (community_id, claim_id, kind, asked_id, asked_at, due_at)"
            " SELECT community_id, claim_id, kind, asked_id, asked_at, due_at FROM tenure_questions"
            " WHERE answered_at IS NULL",
        ),
        {"schema.unique", "tenure_questions.once"},
    ),
    (
        (
            "INSERT INTO transfers (community_id, key, currency, debit, credit, amount, reason, ref, month, at)"
            " SELECT community_id, 'forged', currency, debit, credit, amount, reason, ref, month, at"
            " FROM transfers WHERE key = 'misc:2'",
        ),
        {*SUMS},
    ),
    (("DELETE FROM transfers WHERE key = 'misc:2'",), {*SUMS}),
    (("UPDATE transfers SET amount = amount + 1 WHERE key = 'misc:2'",), {*SUMS}),
    (("UPDATE transfers SET credit = -3 WHERE key = 'misc:2'",), {*SUMS, "transfers.accounts"}),
    (("UPDATE transfers SET credit = -9 WHERE key = 'misc:2'",), {*SUMS, "transfers.accounts"}),
    ((forged("-1", "999999"),), {*SUMS, "transfers.member"}),
    ((forged("999999", "-3"),), {*SUMS, "transfers.member"}),
    ((f"UPDATE transfers SET credit = {SOMEBODY} WHERE id = {EARNED}",), {*SUMS, "check_ins.earner"}),
    (
        (f"UPDATE transfers SET credit = {SOMEBODY} WHERE key = 'check-out:' || {LEFT}",),
        {*SUMS, "check_outs.earner"},
    ),
    (
        (
            "DROP INDEX uq_check_ins_live",
            "INSERT INTO check_ins (community_id, activity_id, member_id, at, made_by)"
            f" SELECT community_id, activity_id, member_id, at, made_by FROM check_ins WHERE id = {HERE}",
        ),
        {"schema.unique", "check_ins.once", "check_ins.points"},
    ),
    (
        (
            "DROP INDEX uq_check_outs_live",
            "INSERT INTO check_outs (community_id, check_in_id, at, minutes, made_by)"
            f" SELECT community_id, check_in_id, at, 0, made_by FROM check_outs WHERE id = {LEFT}",
        ),
        {"schema.unique", "check_outs.once"},
    ),
    (
        (
            "DROP INDEX uq_claims_live",
            "INSERT INTO claims (community_id, post_id, member_id, state, at)"
            f" SELECT community_id, post_id, member_id, 'applied', at FROM claims WHERE {MEDIATES}",
        ),
        {"schema.unique", "claims.once"},
    ),
    (
        (
            "DROP INDEX uq_signups_live",
            "INSERT INTO signups (community_id, activity_id, member_id, companions, state, at, made_by)"
            " SELECT community_id, activity_id, member_id, companions, state, at, made_by FROM signups"
            " WHERE undone_at IS NULL AND state = 'waiting'",
        ),
        {"schema.unique", "signups.once"},
    ),
    (
        (
            "DROP INDEX uq_regulars_live",
            "INSERT INTO regulars (community_id, series_id, member_id, since)"
            f" SELECT community_id, series_id, member_id, since FROM regulars WHERE {MINE}",
        ),
        {"schema.unique", "regulars.once"},
    ),
    (("UPDATE transfers SET currency = 'vouched_minutes' WHERE key = 'misc:2'",), {*SUMS}),
    (("UPDATE transfers SET month = 202001 WHERE key = 'misc:2'",), {"monthly_totals.sum"}),
    ((f"UPDATE transfers SET amount = amount + 1 {CORRECTION}",), {*SUMS, "transfers.correction"}),
    ((f"UPDATE transfers SET currency = 'vouched_minutes' {CORRECTION}",), {*SUMS, "transfers.correction"}),
    ((f"UPDATE transfers SET month = 202001 {CORRECTION}",), {"monthly_totals.sum", "transfers.correction"}),
    ((f"UPDATE transfers SET debit = credit, credit = debit {CORRECTION}",), {*SUMS, "transfers.correction"}),
    (
        (
            "UPDATE check_outs SET minutes = 1 WHERE check_in_id = (SELECT check_in_id FROM vouchings"
            " WHERE id = (SELECT min(id) FROM vouchings))",
        ),
        {"check_outs.vouched", "check_outs.minutes"},
    ),
    (
        (
            "DROP INDEX uq_vouchings_live",
            "INSERT INTO vouchings (community_id, check_in_id, minutes, at) SELECT community_id, check_in_id, 0, at"
            " FROM vouchings WHERE id = (SELECT min(id) FROM vouchings)",
        ),
        {"schema.unique", "vouchings.once"},
    ),
    (
        (f"UPDATE check_ins SET undone_at = {WHEN} WHERE id = (SELECT check_in_id FROM check_outs WHERE id = {LEFT})",),
        {"check_ins.undone", "check_outs.check_in"},
    ),
    (
        ("DELETE FROM transfers WHERE reason = 'award' AND amount = 5",),
        {*SUMS, "awards.transfer", "appeals.transfer_id.orphan", "transfer_notes.transfer_id.orphan"},
    ),
]
"""Damage that breaks several things at once, and must name them all."""


def foreign_keys() -> list[tuple[Table, str, Table]]:
    return [
        (table, column.name, key.column.table)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        for key in column.foreign_keys
    ]


def shared_by_community(child: Table, column: str, parent: Table) -> bool:
    return column != "community_id" and "community_id" in child.c and "community_id" in parent.c


ORPHANS = {f"{child.name}.{column}.orphan": (child, column) for child, column, _ in foreign_keys()}
STRANGERS = {
    f"{child.name}.{column}.stranger": (child, column, parent)
    for child, column, parent in foreign_keys()
    if shared_by_community(child, column, parent)
}


def test_every_invariant_has_its_damage() -> None:
    known = [invariant.name for invariant in invariants()]
    assert len(known) == len(set(known))
    together = {name for _, names in TOGETHER for name in names if not name.startswith("schema.")}
    assert set(known) == {*DAMAGE, *together, *ORPHANS, *STRANGERS}


def test_nothing_is_wrong_where_nothing_is_wrong(whole: Engine) -> None:
    with whole.connect() as connection:
        assert prove(connection) == []


ON_BOTH = {"DROP INDEX uq_transfers_corrects": "uq_transfers_corrects", "DROP INDEX uq_signups_live": "uq_signups_live"}
GONE = {
    "sqlite": {
        **ON_BOTH,
        "DROP TRIGGER transfers_append_only_UPDATE": "transfers_append_only_UPDATE",
        "DROP TRIGGER transfers_append_only_DELETE": "transfers_append_only_DELETE",
    },
    "postgresql": {
        **ON_BOTH,
        "DROP TRIGGER transfers_append_only ON transfers": "transfers_append_only",
        "ALTER TABLE transfers DISABLE TRIGGER transfers_append_only_truncate": "transfers_append_only_truncate",
        "ALTER TABLE transfers DROP CONSTRAINT uq_transfers_key": "uq_transfers_key",
        "ALTER TABLE outbox DROP CONSTRAINT uq_outbox_key": "uq_outbox_key",
    },
}
"""How a guard goes away, and its name."""


def test_a_guard_that_is_gone_is_named(whole: Engine) -> None:
    for damage, name in GONE[whole.dialect.name].items():
        with whole.connect() as connection:
            if whole.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(damage)
            kind = "schema.triggers" if "TRIGGER" in damage else "schema.unique"
            assert prove(connection) == [Violation(kind, (name,))]
            connection.exec_driver_sql("ROLLBACK")


def test_nothing_is_wrong_with_a_fresh_demo(demo_url: str) -> None:
    url = make_url(demo_url)
    engine = sqlite_engine(url.database or "") if url.get_backend_name() == "sqlite" else postgresql_engine(demo_url, 1)
    with engine.connect() as connection:
        assert prove(connection) == []
    engine.dispose()


def test_every_table_has_a_row_to_damage(whole: Engine) -> None:
    with whole.connect() as connection:
        empty = [
            table.name
            for table in Base.metadata.sorted_tables
            if not connection.execute(select(func.count()).select_from(table)).scalar()
        ]
    assert empty == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [pytest.param(name, one, id=f"{name}-{n}") for name, ways in DAMAGE.items() for n, one in enumerate(ways)],
)
def test_damage_is_named_and_nothing_else(whole_sqlite: Engine, name: str, damage: tuple[str, ...]) -> None:
    assert named(whole_sqlite, *damage) == [name]


def test_damage_is_found_by_the_other_database_too(whole_postgresql: Engine) -> None:
    """Each invariant is asked alone, with the first of its damages: the same query finds the others."""
    assert [name for name, ways in DAMAGE.items() if not culprits(whole_postgresql, name, *ways[0])] == []


@pytest.mark.parametrize(("damage", "names"), TOGETHER)
def test_damage_to_several_things_names_them_all(whole: Engine, damage: tuple[str, ...], names: set[str]) -> None:
    assert set(named(whole, *damage)) == names


def first_row(table: Table, column: str) -> str:
    """A condition for one row of our community, where the column says something if it does anywhere."""
    keys = [key.name for key in table.primary_key.columns]
    order = f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {', '.join(keys)}"
    mine = f"WHERE {MINE}" if "community_id" in table.c else ""
    return " AND ".join(f"{key} = (SELECT {key} FROM {table.name} {mine} ORDER BY {order} LIMIT 1)" for key in keys)


NOBODY = 999_999_999

BESIDES: dict[str, set[str]] = {
    "make_ups.activity_id": {"make_ups.check_in"},
    "attempt_items.attempt_id": {"outbox.sent"},
    "audit.undone_by": {"audit.undone"},
    "awards.made_by": {"awards.transfer"},
    "awards.member_id": {"awards.transfer"},
    "check_ins.member_id": {"check_ins.earner", "check_outs.earner"},
    "attempt_items.outbox_id": {"outbox.sent"},
    "balances.member_id": {"balances.sum"},
    "claims.partner_id": {"claims.together"},
    "duty_logs.member_id": {"duty_credits.booked"},
    "monthly_totals.member_id": {"monthly_totals.sum"},
    "member_homes.unit_id": {"member_homes.open"},
    "members.merged_into": {"merges.member"},
    "receipts.member_id": {"receipts.way"},
    "transfers.corrects": {"transfers.correction", "check_outs.undone"},
}
"""What else is wrong where a foreign key points to nobody or to a stranger."""
BESIDES_A_STRANGER = {
    "duty_credits.log_id": {"duty_credits.booked"},
    "handovers.claim_id": {"handovers.moment"},
    "handovers.taken_claim_id": {"handovers.moment"},
    "posts.squad_id": {"posts.squad"},
    "activities.unit_id": {"occurrences.unit"},
    "occurrences.activity_id": {"occurrences.unit"},
    "occurrences.series_id": {"occurrences.unit"},
    "series.unit_id": {"occurrences.unit"},
    "member_homes.member_id": {"member_homes.open"},
    "receipts.made_by": {"receipts.way"},
    "units.parent_id": {"units.path"},
    "unit_members.unit_id": {"unit_members.joined"},
    "check_ins.activity_id": {"check_ins.window"},
    "make_ups.check_in_id": {"make_ups.check_in"},
    "vouchings.check_in_id": {"vouchings.earner"},
    "check_outs.check_in_id": {"check_outs.earner", "check_outs.window"},
}


def in_rounds(names: list[str]) -> list[list[str]]:
    """The first foreign key of every table, the second of every table, and so on: their damage does not meet."""
    by_table: dict[str, list[str]] = {}
    for name in names:
        by_table.setdefault(name.partition(".")[0], []).append(name)
    most = max(map(len, by_table.values()))
    return [[some[turn] for some in by_table.values() if turn < len(some)] for turn in range(most)]


def besides(names: list[str], *tables: dict[str, set[str]]) -> set[str]:
    keys = [name.rpartition(".")[0] for name in names]
    return set().union(*(table.get(key, set()) for key in keys for table in tables))


@pytest.mark.parametrize("names", in_rounds([name for name in ORPHANS if ".community_id." not in name]))
def test_rows_whose_parent_is_gone_are_named(whole: Engine, names: list[str]) -> None:
    damage = [
        f"UPDATE {table.name} SET {column} = {NOBODY} WHERE {first_row(table, column)}"
        for table, column in (ORPHANS[name] for name in names)
    ]
    assert set(named(whole, *damage)) == {*names, *besides(names, BESIDES)}


@pytest.mark.parametrize("names", in_rounds(list(STRANGERS)))
def test_rows_whose_parent_is_another_communitys_are_named(whole: Engine, names: list[str]) -> None:
    damage = [
        f"UPDATE {table.name} SET {column} = (SELECT min(id) FROM {parent.name} WHERE NOT {MINE})"
        f" WHERE {first_row(table, column)}"
        for table, column, parent in (STRANGERS[name] for name in names)
    ]
    assert set(named(whole, *damage)) == {*names, *besides(names, BESIDES, BESIDES_A_STRANGER)}


def test_rows_of_no_community_are_named(whole: Engine) -> None:
    """Each is a stranger to its parents and its children as well, so that only its own violation is asked for."""
    asked = {name: key for name, key in ORPHANS.items() if ".community_id." in name}
    by_name = {invariant.name: invariant for invariant in invariants()}
    found = {}
    for name, (table, column) in asked.items():
        with unguarded(whole) as connection:
            connection.execute(text(f"UPDATE {table.name} SET {column} = {NOBODY} WHERE {first_row(table, column)}"))
            found[name] = connection.execute(by_name[name].culprits).all()
    assert found == {name: [(NOBODY,)] for name in asked}
