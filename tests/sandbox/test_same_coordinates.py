"""Two followers of a source that is written to: stopped at the same coordinates, and resumed in any case."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial

import pytest

from dev.sandbox.mysql import MySQLServer
from dev.sandbox.mysql.sessions import execute, query
from rds_encrypt.core.errors import ProcedureRefused, Retryable
from rds_encrypt.mysql import channel, lag
from rds_encrypt.mysql.coordinates import Coordinates, current, lie_together
from rds_encrypt.mysql.replica_status import ReplicaStatus
from rds_encrypt.mysql.same_coordinates import resume, stopped_at_same_coordinates
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.checkpoint import Checkpoint
from rds_encrypt.verification.comparison import Comparison
from tests.sandbox.mysql_support import ALL_WORDS, GIVEN, Farm
from tests.sandbox.verification_support import session
from tests.waiting import until

READ = "SELECT COUNT(*), SUM(v) FROM shop.t"


class Stage:
    """A source and its two followers."""

    def __init__(self, source: MySQLServer, one: MySQLServer, other: MySQLServer) -> None:
        self.source, self.follower = source, other
        self.openers = (partial(session, one), partial(session, other))

    @contextmanager
    def sequential(self) -> Iterator[None]:
        """What the parameter group does on RDS: one applier, from the next start on, and as many as before afterwards."""
        with self.follower.admin() as admin:
            before = query(admin, "SELECT @@GLOBAL.slave_parallel_workers AS n")[0]["n"]
            execute(admin, f"SET GLOBAL slave_parallel_workers = {min(before, 1)}")
            try:
                yield
            finally:
                execute(admin, f"SET GLOBAL slave_parallel_workers = {before}")

    def together(self, one: Coordinates, other: Coordinates) -> bool:
        with session(self.source) as opened:
            return lie_together(opened, one, other)

    def at_rest(self) -> AbstractContextManager[Coordinates]:
        return stopped_at_same_coordinates(
            *self.openers, deadline=30.0, sequential=self.sequential, together=self.together
        )

    def appliers(self) -> list[int]:
        """How many appliers each has."""
        counts = []
        for opener in self.openers:
            with opener() as opened:
                counts.append(int(opened.value("SELECT @@GLOBAL.slave_parallel_workers")))
        return counts

    def rows(self) -> list[object]:
        totals: list[object] = []
        for opener in self.openers:
            with opener() as opened:
                totals.append(opened.row(READ))
        return totals

    def following(self) -> list[bool]:
        """Whether each replicates, without an UNTIL condition."""
        states = []
        for opener in self.openers:
            with opener() as opened:
                status = channel.status(opened)
            states.append(status is not None and status.running and not status.until)
        return states

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """Write to the source all the time, now and then in a new binlog file."""
        stop = threading.Event()

        def write() -> None:
            with session(self.source) as opened:
                number = 0
                while not stop.is_set():
                    number += 1
                    opened.execute("INSERT INTO shop.t (v) VALUES (%s), (%s)", number, -3 * number)
                    if number % 50 == 0:
                        with self.source.admin() as admin, admin.cursor() as cursor:
                            cursor.execute("FLUSH BINARY LOGS")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            stop.set()
            writer.join()


@pytest.fixture(scope="module", params=ALL_WORDS)
def stage(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("coordinates")
    with Farm.open(directory, request.param) as farm:
        source = farm.new()
        with session(source) as opened:
            opened.execute("CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
        followers = []
        for name in ("one", "other"):
            source.copy_data(directory / name)
            follower = farm.adopt(directory / name)
            follower.start(GIVEN, binlog=True)
            follower.replicate_from(source)
            followers.append(follower)
        yield Stage(source, *followers)


def test_both_stand_at_the_same_place_again_and_again(stage: Stage) -> None:
    positions = []
    parallel = stage.appliers()[0]
    with stage.written_to():
        for _ in range(3):
            with stage.at_rest() as coordinates:
                one, other = stage.rows()
                assert one == other
                assert stage.rows() == [one, other]
                positions.append(coordinates)
                assert stage.following() == [False, False]
                assert stage.appliers() == [parallel, parallel]
            assert stage.following() == [True, True]
    assert positions == sorted(set(positions))


def test_a_comparison_takes_several_stand_stills_and_does_nothing_twice(stage: Stage) -> None:
    """The limit on the lag: both catch up in between, and the source is written to all the time."""
    numbers = ", ".join(f"({n})" for n in range(20_000))
    with session(stage.source) as source:
        source.execute(f"INSERT INTO shop.t (v) VALUES {numbers}")
        source.execute("ANALYZE TABLE shop.t")
        filled = current(source)
    for opener in stage.openers:
        with opener() as follower:
            lag.drain(follower, filled, deadline=30.0)
    comparison = Comparison(
        *stage.openers, VerifySettings(threads=1), Checkpoint(None, ""), rows_per_range=4000
    )
    stand_stills, finished = 0, False
    with stage.written_to():
        while not finished:
            with stage.at_rest():
                finished = comparison.advance(deadline=0.0)
            assert stage.following() == [True, True]
            stand_stills += 1

    assert stand_stills > 1
    assert comparison.result.differences == ()
    parts = [(part.table, part.range) for part in comparison.checkpoint.parts]
    assert len(parts) == len(set(parts)) == comparison.result.chunks
    assert comparison.result.rows >= 20_000


def test_tables_come_and_go_between_two_stand_stills(stage: Stage) -> None:
    """As those of migrations and of loads do; a table that a RENAME puts in the place of another is compared from its beginning."""
    rows_of_it = ", ".join(f"({n}, 0)" for n in range(600))
    with session(stage.source) as source:
        for table in ("staging", "swapped", "ghost"):
            source.execute(f"CREATE TABLE shop.{table} (id INT PRIMARY KEY, v INT NOT NULL)")
        source.execute(f"INSERT INTO shop.swapped VALUES {rows_of_it}")
    settle(stage)
    time.sleep(1.1)  # information_schema tells times to the second
    comparison = Comparison(
        *stage.openers, VerifySettings(threads=1), Checkpoint(None, ""), rows_per_range=4000
    )
    with session(stage.source) as source:
        source.execute("DROP TABLE shop.ghost")
        source.execute("CREATE TABLE shop.ghost LIKE shop.swapped")
        source.execute(f"INSERT INTO shop.ghost VALUES {rows_of_it}")
    settle(stage)
    while not any(part.table.startswith("shop.swapped ") for part in comparison.checkpoint.parts):
        with stage.at_rest():
            comparison.advance(deadline=0.0)
    with session(stage.source) as source:
        source.execute("DROP TABLE shop.staging")
        source.execute("RENAME TABLE shop.swapped TO shop.gone, shop.ghost TO shop.swapped")
        source.execute("DROP TABLE shop.gone")
    settle(stage)
    with stage.follower.admin() as other:
        execute(other, "SET SESSION sql_log_bin = 0")
        execute(other, "UPDATE shop.swapped SET v = 1 WHERE id = 0")

    with stage.at_rest():
        assert comparison.advance()

    assert ["id=0" in str(difference) for difference in comparison.result.differences] == [True]
    with stage.follower.admin() as other, session(stage.source) as source:
        execute(other, "SET SESSION sql_log_bin = 0")
        execute(other, "UPDATE shop.swapped SET v = 0 WHERE id = 0")
        source.execute("DROP TABLE shop.swapped")
    settle(stage)


def test_at_rest_without_anybody_writing(stage: Stage) -> None:
    with stage.at_rest() as first:
        pass
    with stage.at_rest() as second:
        assert second >= first
    assert stage.following() == [True, True]


def test_a_failure_lets_both_go_on(stage: Stage) -> None:
    with stage.written_to(), pytest.raises(KeyboardInterrupt), stage.at_rest():
        raise KeyboardInterrupt
    assert stage.following() == [True, True]


def test_one_that_moves_meanwhile_makes_it_void(stage: Stage) -> None:
    """RDS may reboot a replica by itself, and starts its replication again."""
    with (
        stage.written_to(),
        pytest.raises(Retryable, match="should have been stopped"),
        stage.at_rest(),
        stage.openers[0]() as replica,
    ):
        channel.start(replica)
    assert stage.following() == [True, True]


def test_one_that_stands_before_the_end_of_a_file_is_with_one_at_the_next_s_beginning(stage: Stage) -> None:
    """A source that nobody writes to never brings the one to where the other is."""
    with stage.openers[0]() as replica, stage.openers[1]() as other, stage.source.admin() as admin:
        settle(stage)
        with session(stage.source) as opened:
            end = current(opened)
        channel.stop(replica)
        execute(admin, "FLUSH BINARY LOGS")
        until(lambda: channel.status(other), lambda state: state is not None and state.executed > end)
        with stage.at_rest() as coordinates:
            assert coordinates > end
    assert stage.following() == [True, True]


def test_a_difference_that_replication_passes_over_is_found_by_comparing(stage: Stage) -> None:
    """With exec mode IDEMPOTENT, as seen on a server of RDS, a row that is missing does not stop the applier."""
    with stage.source.admin() as application, stage.follower.admin() as other:
        before = query(other, "SELECT @@GLOBAL.slave_exec_mode AS mode")[0]["mode"]
        execute(other, "SET GLOBAL slave_exec_mode = 'IDEMPOTENT'")
        execute(application, "SET SESSION sql_log_bin = 1, binlog_format = 'ROW'")
        execute(application, "INSERT INTO shop.t (id, v) VALUES (900001, 1)")
        settle(stage)
        execute(other, "SET SESSION sql_log_bin = 0")
        execute(other, "DELETE FROM shop.t WHERE id = 900001")
        execute(application, "UPDATE shop.t SET v = 2 WHERE id = 900001")
        settle(stage)
        assert stage.following() == [True, True]
        comparison = Comparison(*stage.openers, VerifySettings(threads=1), Checkpoint(None, ""))
        with stage.at_rest():
            assert comparison.advance()
        assert ["id=900001" in str(difference) for difference in comparison.result.differences] == [True]
        execute(application, "DELETE FROM shop.t WHERE id = 900001")
        settle(stage)
        execute(other, f"SET GLOBAL slave_exec_mode = '{before}'")


def settle(stage: Stage) -> None:
    with session(stage.source) as opened:
        end = current(opened)
    for opener in stage.openers:
        with opener() as follower:
            lag.drain(follower, end, deadline=30.0)


@pytest.mark.parametrize("killed", ["before it was level", "when it was level", "while both were stopped"])
def test_what_a_killed_run_left_behind_goes_on(stage: Stage, killed: str) -> None:
    with stage.openers[0]() as one, stage.openers[1]() as other, session(stage.source) as source:
        before = channel.stop(other).executed
        if killed != "before it was level":
            source.execute("INSERT INTO shop.t (v) VALUES (1)")
            end = current(source)
            until(lambda: channel.status(one), lambda state: state is not None and state.executed >= end)
            channel.stop(one)
            # RDS's procedure reports an error when the goal is reached before it looks.
            with stage.sequential(), suppress(ProcedureRefused):
                other.call("mysql.rds_start_replication_until", end.file, end.position)
            until(lambda: channel.status(other), lambda state: state is not None and state.executed >= end)
            # The applier stops when the next event comes, or waits for it.
            source.execute("INSERT INTO shop.t (v) VALUES (1)")
            status = channel.status(other)
            assert status is not None
            assert status.until
            assert status.executed == end > before
        if killed == "while both were stopped":
            channel.stop(other)
    resume(*stage.openers)
    assert stage.following() == [True, True]
    with stage.at_rest():
        one_row, other_row = stage.rows()
        assert one_row == other_row


def test_for_a_snapshot_a_follower_is_stopped_when_no_temporary_table_is_open(stage: Stage) -> None:
    """On 5.7 with RDS's default format, MIXED, they replicate, and a snapshot of the follower would lose them."""
    stopped: list[ReplicaStatus] = []
    words: list[str] = []

    def stop() -> None:
        with stage.openers[1]() as follower:
            stopped.append(channel.stop_for_snapshot(follower, progress=words.append))

    stopping = threading.Thread(target=stop)
    with session(stage.source) as application:
        replicated = application.version < (8, 0, 0)
        application.execute("CREATE TEMPORARY TABLE shop.draft (id INT)")
        application.execute("INSERT INTO shop.t (v) VALUES (1)")
        with stage.openers[1]() as follower:
            lag.drain(follower, current(application), deadline=30.0)
        stopping.start()
        stopping.join(2.0)
        assert stopping.is_alive() is replicated
        application.execute("DROP TEMPORARY TABLE shop.draft")
        dropped = current(application)
        stopping.join(30.0)
    try:
        (status,) = stopped
        assert status.stopped
        assert not replicated or status.executed >= dropped
        assert any("without temporary tables" in line and "(1 open)" in line for line in words) is replicated
    finally:
        resume(*stage.openers)
