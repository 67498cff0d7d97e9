"""/admin/overview: what went out, what was refused and why, what was agreed to and taken back, day by day."""

from __future__ import annotations

from collections import Counter

from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.console.desk import Console, Visit, page
from gateway.admin.console.plot import COLOURS, Series, plot
from gateway.stewardship import changes, overview, registers
from gateway.stewardship.roles import Act
from gateway.subject.page import language_of

SPANS = (7, 30, 90)


def routes(console: Console) -> list[Route]:
    """The one page."""

    async def show(visit: Visit) -> Response:
        asked = visit.asked("days")
        span = int(asked) if asked in {str(one) for one in SPANS} else SPANS[1]
        days = await overview.days(visit.conn, visit.actor, day_count=span)
        say, _ = console.pages.speech(language_of(visit.request))
        dates = [one.day for one in days]
        counts = Counter[str]()
        for one in days:
            counts.update(one.refusals)
        codes = [code for code, _ in counts.most_common()]
        named, rest = codes[: COLOURS - 1], codes[COLOURS - 1 :]
        refusals = [Series(code, [one.refusals.get(code, 0) for one in days]) for code in named]
        if rest:
            refusals.append(Series(say("console.other"), [sum(one.refusals.get(code, 0) for code in rest) for one in days]))
        plots = [
            plot(
                "requests",
                say("console.plot_requests"),
                dates,
                [
                    Series(say("console.disclosed"), [one.disclosures for one in days]),
                    Series(say("console.refused"), [sum(one.refusals.values()) for one in days]),
                ],
            ),
            plot("refusals", say("console.plot_refusals"), dates, refusals),
            plot(
                "consents",
                say("console.plot_consents"),
                dates,
                [
                    Series(say("console.given"), [one.consents_given for one in days]),
                    Series(say("console.narrowed"), [one.consents_narrowed for one in days]),
                    Series(say("console.withdrawn"), [one.consents_withdrawn for one in days]),
                ],
            ),
        ]
        may_read = visit.actor.may(Act.CHANGES_READ)
        return visit.page(
            "console_overview.html",
            here="overview",
            plots=plots,
            days=days,
            span=span,
            spans=SPANS,
            halts=await registers.halts(visit.conn, visit.actor),
            waiting=await changes.listed(visit.conn, visit.actor, state="proposed") if may_read else (),
        )

    return [Route("/admin/overview", page(console, show), methods=["GET"])]
