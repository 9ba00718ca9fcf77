"""The gate's life: its sockets, one task per connection, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from outrig.gateway import broker, dns, kernel, relay
from outrig.gateway.gate import Gate
from outrig.gateway.journal import Journal
from outrig.gateway.listening import TRANSPARENT_PORT, Listeners
from outrig.gateway.names import Names
from outrig.gateway.policy import Policy
from outrig.gateway.usage import Budget

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

MOST_CONNECTIONS = 2000
_MOST_LOOK_UPS = 64
_OPEN_FILES = 8192
_LARGEST_QUESTION = 4096
_DNS_SECONDS = 10.0
_USAGE_BYTES = 128  # longer than it can become, so that each writes over the one before


class Setting(NamedTuple):
    """What the host says once, on stdin, before the gate opens."""

    stand_ins: IPv4Network
    way_out: IPv4Address  # where a neighbour sends what is for no stand-in
    address: IPv4Address  # the gate's own
    uid: int
    gid: int
    policy: str
    journal: str
    broker: Mapping[str, Any] | None = None  # with its secrets
    secrets: Mapping[str, str] = MappingProxyType({})  # that its journal must not say

    @classmethod
    def read(cls) -> Setting:
        said = json.loads(input())
        return cls(
            stand_ins=IPv4Network(said["stand_ins"]),
            way_out=IPv4Address(said["way_out"]),
            address=IPv4Address(said["address"]),
            uid=int(said["uid"]),
            gid=int(said["gid"]),
            policy=said["policy"],
            journal=said["journal"],
            broker=said.get("broker"),
            secrets=said.get("secrets") or {},
        )


def near() -> int:
    """In the session's own network: take what needs root, give root up, serve until TERM."""
    setting = Setting.read()
    own = setting.address
    device = kernel.set_up(setting.stand_ins, setting.way_out, own, TRANSPARENT_PORT)
    return stand(setting, Listeners.near(str(own), device))


def stand(setting: Setting, listeners: Listeners) -> int:
    """The same, once the kernel is set up."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    kernel.give_up_privileges(setting.uid, setting.gid)
    journal = os.open(setting.journal, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
    asyncio.run(serve(setting, listeners, journal))
    return 0


async def serve(setting: Setting, listeners: Listeners, journal_fd: int) -> None:
    """Answer until TERM; says `ready` on stdout once it does."""
    loop = asyncio.get_running_loop()
    # One thread a look-up that waits: a resolver that is slow for one name holds up no other.
    loop.set_default_executor(ThreadPoolExecutor(max_workers=_MOST_LOOK_UPS))
    journal = Journal(journal_fd, loop.call_later, secrets=setting.secrets)
    names = Names(setting.stand_ins)
    gate = Gate(Policy(setting.policy), names, journal)
    known = {broker.NAME: setting.address} if setting.broker else {}
    door = Door(gate, Resolver(gate, known))
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_reader(listeners.dns, door.datagram, listeners.dns)
    tasks = [
        *(
            asyncio.ensure_future(door.accept(one, door.transparent))
            for one in listeners.transparent
        ),
        asyncio.ensure_future(door.accept(listeners.proxy, gate.proxy)),
        asyncio.ensure_future(door.accept(listeners.dns_stream, door.dns_stream)),
    ]
    if setting.broker:
        keys = _broker(setting.broker, journal)
        tasks.append(asyncio.ensure_future(door.accept(listeners.broker, keys.visit)))
    else:
        listeners.broker.close()
    os.write(1, b"ready\n")
    await over.wait()
    for task in (*tasks, *door.visits):
        task.cancel()
    await asyncio.gather(*tasks, *door.visits, return_exceptions=True)
    journal.close()


def _broker(said: Mapping[str, Any], journal: Journal) -> broker.Broker:
    usage = os.open(said["usage"], os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def write(used: Mapping[str, int]) -> None:
        os.pwrite(usage, json.dumps(used).ljust(_USAGE_BYTES).encode(), 0)

    routes = map(broker.Route.read, said["routes"])
    return broker.Broker(routes, Budget(said["limits"], write), journal, ca=said.get("ca"))


class Resolver:
    """Questions answered by the policy and the stand-ins."""

    def __init__(self, gate: Gate, own: Mapping[str, IPv4Address]) -> None:
        self._gate = gate
        self._own = own

    def __call__(self, question: dns.Question) -> IPv4Address | dns.Refused:
        if question.name in self._own:
            return self._own[question.name]
        verdict = self._gate.policy.may_resolve(question.name)
        beside = self._gate.policy.hosts.get(question.name)
        if beside is not None:
            return beside
        if not verdict.allowed:
            self._gate.journal.refused(rule=verdict.rule, proto="dns", host=question.name)
            return dns.NO_SUCH_NAME
        return self._gate.names.address(question.name) or dns.BUSY


class Door:
    """Connections and questions as they come in."""

    def __init__(self, gate: Gate, resolver: Resolver) -> None:
        self._gate = gate
        self._resolver = resolver
        self.visits: set[asyncio.Task[None]] = set()

    async def accept(
        self, listener: socket.socket, receive: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        """Take what comes, a task each; one too many is turned away at once."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:  # the other side has gone already, or there are too many files
                await asyncio.sleep(0.01)
                continue
            if len(self.visits) >= MOST_CONNECTIONS:
                relay.reset(connection)
                self._gate.journal.refused(rule="too many connections", proto="tcp")
                continue
            visit = asyncio.ensure_future(self._visit(connection, receive))
            self.visits.add(visit)
            visit.add_done_callback(self.visits.discard)

    async def _visit(
        self, connection: socket.socket, receive: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await receive(connection)
        except OSError:  # a side that went away in the middle
            relay.reset(connection)
        finally:
            connection.close()

    async def transparent(self, connection: socket.socket) -> None:
        address, port = kernel.original_destination(connection)
        await self._gate.stand_in(connection, address, port)

    def datagram(self, listener: socket.socket) -> None:
        """One question by UDP."""
        try:
            packet, asker = listener.recvfrom(_LARGEST_QUESTION)
            reply = dns.answer(packet, self._resolver)
            if reply is not None:
                listener.sendto(reply, asker)
        except (BlockingIOError, ConnectionError):
            return

    async def dns_stream(self, connection: socket.socket) -> None:
        """One question by TCP."""
        loop = asyncio.get_running_loop()

        async def exactly(count: int) -> bytes:
            data = b""
            while len(data) < count:
                more = await loop.sock_recv(connection, count - len(data))
                if not more:
                    raise ConnectionResetError
                data += more
            return data

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DNS_SECONDS):
                (size,) = struct.unpack("!H", await exactly(2))
                reply = dns.answer(await exactly(size), self._resolver)
                if reply is not None:
                    await loop.sock_sendall(connection, struct.pack("!H", len(reply)) + reply)
