"""The application: routes and start-up. It joins the rooms together and decides nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.api.ask import Desk
from gateway.admin.api.endpoint import PATH as ADMIN
from gateway.admin.api.endpoint import AdminGraphQL
from gateway.admin.console.routes import console_routes
from gateway.catalogue.definition import load
from gateway.oauth.keys import KeyStore
from gateway.oauth.routes import routes
from gateway.request.admit import Places, RateLimiter
from gateway.request.authenticate import Authenticator
from gateway.request.codes import Code, GatewayError
from gateway.request.limits import Limits
from gateway.request.receive import read_head, receive
from gateway.request.respond import new_request_id, send_answer, send_error
from gateway.request.serve import UNREACHABLE, Gate
from gateway.settings import Settings
from gateway.stewardship.effect import Ground
from gateway.stewardship.initial_tokens import register
from gateway.store.consents import PseudonymKeys
from gateway.store.durable import require_durable
from gateway.store.embedded import owner_url
from gateway.store.expiry import keep_purging
from gateway.store.pool import GatePool, plain_connection, plain_pool
from gateway.subject.page import Pages
from gateway.subject.routes import subject_routes
from gateway.watch import log
from gateway.watch.guard import App, Guard, Message, Receive, Send
from gateway.watch.health import Page, healthz, readyz
from gateway.watch.metrics import CONTENT_TYPE, Metrics

GRAPHQL = "/graphql"
WAITING = 1000  # requests that wait for a connection of the gate's in one worker; the next is told to retry


class GraphQL:
    """The partner endpoint. Bare ASGI: request and response objects would cost a third of a small answer."""

    def __init__(self, authenticator: Authenticator, gate: Gate, limits: Limits, places: Places, metrics: Metrics) -> None:
        self._authenticator, self._gate, self._limits, self._places, self._metrics = authenticator, gate, limits, places, metrics

    async def __call__(self, scope: Message, take: Receive, send: Send) -> None:
        started, request_id = time.perf_counter(), new_request_id()
        head, caller = read_head(scope), None
        try:
            try:
                caller = await self._authenticator.authenticate(head.authorization, head)
            except UNREACHABLE as unreachable:
                raise GatewayError(Code.UNAVAILABLE) from unreachable
            received = await receive(head, take, self._limits)
            async with self._places.place():
                answer = await self._gate.answer(caller, received)
        except GatewayError as raised:
            error = self._authenticator.challenged(raised, caller)
            self._metrics.refused(error.code, time.perf_counter() - started)
            await send_error(send, error, head.media, request_id=request_id)
            return
        self._metrics.answered(
            time.perf_counter() - started, partner=answer.partner, subjects=answer.subjects, withheld=answer.withheld
        )
        headers = self._authenticator.headers(caller) if caller.confirmation is not None else None
        await send_answer(send, answer.sealed, head.media, request_id=request_id, headers=headers)


class _Application:
    """The two GraphQL endpoints answer for themselves, everything else is Starlette's, which also runs the start-up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._endpoints: Mapping[str, App] = {}
        self._pages = Starlette(lifespan=self._lifespan)
        # Starlette would answer `/sign-in/` with a 307 to where the Host header says, over http behind a TLS proxy
        self._pages.router.redirect_slashes = False

    async def __call__(self, scope: Message, take: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or self._pages)(scope, take, send)

    @asynccontextmanager
    async def _lifespan(self, pages: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        log.quieten(asyncio.get_running_loop())
        limits, metrics = Limits.of(settings), Metrics()
        async with owner_url(settings) as url:
            gate_pool = GatePool(url, settings)
            pool = await plain_pool(url, settings)
            limiter = RateLimiter(
                lambda: plain_connection(url, settings), maximum=settings.rate_maximum, restore_rate=settings.rate_restore_per_s
            )
            try:
                keys = KeyStore(settings, pool.acquire)
                async with pool.acquire() as connection:
                    await require_durable(cast("asyncpg.Connection[Any]", connection))
                    await keys.ensure(connection)
                catalogue, pseudonyms = load(settings.catalogue), PseudonymKeys(settings.key("pseudonym"))
                gate = Gate(
                    catalogue=catalogue,
                    field_secret=settings.key("field"),
                    limits=limits,
                    limiter=limiter,
                    gate=gate_pool,
                    pool=pool,
                    kept=settings.operation_cache,
                    step_up_after_s=settings.step_up_after_s,
                )
                places = Places(running=settings.pool_size, waiting=WAITING)
                metrics.watch(gate.sizes, waiting=lambda: places.waiting)
                pages.router.routes.extend(
                    [
                        *routes(settings, pool, keys, partial(register, Ground(catalogue.fields, pseudonyms))),
                        *subject_routes(settings, pool, pseudonyms, keys, catalogue, Pages(settings)),
                        *console_routes(settings, pool, pseudonyms, keys, catalogue),
                        *_watched(pool, metrics),
                    ]
                )
                self._endpoints = {
                    GRAPHQL: GraphQL(Authenticator(settings, keys, pool.acquire), gate, limits, places, metrics),
                    ADMIN: AdminGraphQL(Desk(pool, settings, catalogue, pseudonyms, keys)),
                }
                log.log(log.Event.STARTED, port=settings.port)
                purging = asyncio.create_task(keep_purging(pool, _tell_purged))
                try:
                    yield
                finally:
                    purging.cancel()
                    await asyncio.wait([purging])
                log.log(log.Event.STOPPED)
            finally:
                self._endpoints = {}
                await limiter.close()
                await gate_pool.close()
                await pool.close()


def _tell_purged(count: int, error: Exception | None) -> None:
    log.log(log.Event.PURGED, error=error, count=count)


def _watched(pool: "asyncpg.Pool[Any]", metrics: Metrics) -> list[Route]:
    async def alive(_request: Request) -> Response:
        return _response(healthz())

    async def ready(_request: Request) -> Response:
        return _response(await readyz(lambda: pool.fetchval("select 1")))

    async def counted(_request: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", counted)]


def _response(page: Page) -> Response:
    return Response(page.body, status_code=page.status, media_type=page.content_type, headers={"Cache-Control": "no-store"})


def create_app() -> App:
    """The ASGI application of one worker, from the settings in the environment."""
    log.configure()
    return Guard(_Application(Settings()))
