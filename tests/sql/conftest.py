"""The two engines as fixtures; Spark starts once per worker, when the first test asks for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from journey_analytics.engine.duckdb import DuckDBEngine, Limits
from tests.sql.engines import OnDuckDB, OnSpark


@pytest.fixture
def on_duckdb() -> Iterator[OnDuckDB]:
    with DuckDBEngine(limits=Limits(threads=1)) as engine:
        yield OnDuckDB(engine)


@pytest.fixture(scope="session")
def on_spark() -> Iterator[OnSpark]:
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer(port=0)
    server.start(background=True)
    host, port = server.listening_address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
        engine = OnSpark(session)
    yield engine
    session.stop()
    server.stop()
