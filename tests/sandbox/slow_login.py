"""A client that takes its time to log in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pymysql

from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection

__all__ = ["logging_in"]


@contextmanager
def logging_in(where: Address, who: Credentials) -> Iterator[tuple[Future[Connection], threading.Event]]:
    """Begin to log in, and halt between the server's question and the answer, until the event is set."""
    asked, go_on = threading.Event(), threading.Event()
    connection: Any = pymysql.connect(
        host=where.host,
        port=where.port,
        user=who.user,
        password=who.password,
        ssl_ca=str(where.authorities),
        read_timeout=10.0,
        autocommit=True,
        defer_connect=True,
    )
    begin, answer = connection._request_authentication, connection._process_auth

    def begin_without_a_plugin() -> None:
        connection._auth_plugin_name = ""  # so the server asks for the account's own
        begin()

    def halt(*question: object) -> object:
        asked.set()
        go_on.wait(60)
        return answer(*question)

    def log_in() -> Connection:
        connection.connect()
        return cast(Connection, connection)

    connection._request_authentication, connection._process_auth = begin_without_a_plugin, halt
    with ThreadPoolExecutor(1) as threads:
        login = threads.submit(log_in)
        try:
            assert asked.wait(10), login.exception(1)
            yield login, go_on
        finally:
            go_on.set()
