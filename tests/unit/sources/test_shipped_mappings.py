"""Every shipped mapping reads a small hand-made export with its format's traps; see tests/samples."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import zipfile
from pathlib import Path

import duckdb
import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.sources.channels.rules import read_channels
from journey_analytics.sources.mapping import read_mapping, shipped_names, shipped_path
from journey_analytics.yaml_file import YamlFile, plain
from tests.conftest import CHECKOUT
from tests.unit.sources.loading import Loaded, key_of, load

SAMPLES = CHECKOUT / "tests" / "samples"
OWN_HOSTS = "own_hosts: [shop.example.org, www.example.org]\n"
IDENTITY = ("event_id", "at", "event_name", "customer_ref", "anonymous_ref", "alias_ref", "session_ref")
TRAFFIC = ("event_id", "channel", "utm_source", "utm_medium", "utm_campaign", "referrer_host", "page_path")
FACTS = ("event_id", "device", "country", "revenue", "currency")
_ = None


def sample(tmp_path: Path, name: str, more: str = "") -> Loaded:
    """The sample of a mapping, loaded with nothing but the mapping's name and the files."""
    for path in (SAMPLES / name).iterdir():
        shutil.copy(path, tmp_path)
    files = {path.suffix for path in (SAMPLES / name).iterdir()}
    return load(tmp_path, f"uses: {name}\nfiles: '*{files.pop()}'\n{more}", OWN_HOSTS)


def as_parquet(tmp_path: Path, select: str, more: str) -> Loaded:
    """What `select` gives, written as Parquet and loaded."""
    with duckdb.connect() as engine:
        engine.execute(f"copy ({select}) to '{tmp_path}/export.parquet' (format parquet)")
    return load(tmp_path, more, OWN_HOSTS)


def adds_up(loaded: Loaded, *, rows: int, duplicates: int) -> bool:
    """Whether kept + duplicates + quarantined = the rows a reader counts in the file."""
    kept = len({event["event_id"] for event in loaded.events})
    assert (loaded.totals.rows, loaded.duplicates) == (rows, duplicates)
    return kept + duplicates + len(loaded.quarantine) == rows


def test_each_mapping_says_what_it_reads_and_asks_only_for_the_files(tmp_path: Path) -> None:
    assert shipped_names() == [
        "access_log", "amplitude", "ga4", "generic", "matomo", "mixpanel", "posthog", "rudderstack",
        "segment", "snowplow", "xes",
    ]  # fmt: skip
    for name in shipped_names():
        text = shipped_path(name).read_text(encoding="utf-8")
        assert "\n# Documented " in text, name
        assert "\n# Traps:\n" in text, name
        mapping = tmp_path / "source.yaml"
        mapping.write_text(f"uses: {name}\nfiles: input/*\n", encoding="utf-8")
        assert read_mapping(mapping, read_channels(None)).name == name
        mapping.write_text(f"uses: {name}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="'files' is missing"):
            read_mapping(mapping, read_channels(None))


def test_generic_csv(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "generic")
    made = key_of("Zoë", _, "2024-05-01 11:00:00", "Überblick")
    assert loaded.told("event_id", "at", "event_name", "customer_ref", "channel", "revenue", "currency") == [
        ("e1", "2024-05-01 10:00:00", "visit", "c1", "unassigned", _, _),
        ("e2", "2024-05-01 10:00:00", "order", "c1", "unassigned", 12.5, "EUR"),
        ("e2", "2024-05-01 10:00:00", "order", "c1", "unassigned", 12.5, "EUR"),
        (made, "2024-05-01 11:00:00", "Überblick", "Zoë", "unassigned", _, _),
    ]
    assert loaded.bad_rows == [
        ("events.csv", 4, "customer_ref", "e3,2024-05-01 10:30:00,order", "too few fields"),
        ("events.csv", 5, "occurred_at", "yesterday", "not a time"),
        ("events.csv", 6, "revenue", "12,50", "not a number"),
        ("events.csv", 7, "customer_ref", _, "no id"),
    ]
    assert adds_up(loaded, rows=8, duplicates=1)


@pytest.mark.parametrize("written", ["jsonl", "parquet"])
def test_generic_reads_the_same_from_json_lines_and_parquet(tmp_path: Path, written: str) -> None:
    row = {"event_id": 7, "occurred_at": "2024-05-01 10:00:00", "event_name": "visit", "customer_ref": 42}
    (tmp_path / "rows.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    if written == "parquet":
        rows = f"select * from read_json('{tmp_path}/rows.json')"
        loaded = as_parquet(tmp_path, rows, "uses: generic\nfiles: '*.parquet'\nformat: parquet\n")
    else:
        loaded = load(tmp_path, "uses: generic\nfiles: '*.json'\nformat: jsonl\n")
    assert loaded.told("event_id", "at", "customer_ref", "revenue") == [("7", "2024-05-01 10:00:00", "42", _)]


def test_a_column_set_to_nothing_is_taken_out_and_others_are_added(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Wer,Wann,Was\nc1,2024-05-01,Kauf\n", encoding="utf-8")
    loaded = load(
        tmp_path,
        "uses: generic\nsource: shop\nfiles: a.csv\nkey: [Wer, Wann]\ncolumns:\n  customer_ref: Wer\n"
        "  occurred_at: Wann\n  event_name: Was\n  device:\n  properties.who: upper(Wer)\n",
    )
    assert loaded.told("source", "event_id", "event_name", "customer_ref", "who") == [
        ("shop", key_of("c1", "2024-05-01"), "Kauf", "c1", "C1")
    ]


GA4_IDENTITY = [
    ("2024-05-01 10:00:00", "session_start", _, "d1", "d1.100"),
    ("2024-05-01 10:00:01", "page_view", _, "d1", "d1.100"),
    ("2024-05-01 10:00:01", "page_view", _, "d1", "d1.100"),
    ("2024-05-01 10:00:01", "page_view", _, "d1", "d1.100"),
    ("2024-05-01 10:00:02", "purchase", "u1", "d1", "d1.100"),
    ("2024-05-01 10:00:04", "page_view", _, "d2", _),
    ("2024-05-01 10:00:05", "page_view", _, "d3", _),
]


def test_ga4_json_lines(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "ga4", "format: jsonl\n")
    assert loaded.told("at", "event_name", "customer_ref", "anonymous_ref", "session_ref") == GA4_IDENTITY
    view = ("paid_search", "google", "cpc", "spring", "shop.example.org", "/a")
    assert loaded.told(*TRAFFIC[1:]) == [
        # tagged google / organic, but with a click id of Google's ads
        ("paid_search", "google", "cpc", "(organic)", _, "/"),
        # nothing of its own: the session's last click, not the user's first source
        *[view] * 3,
        ("email", "news", "email", "may", _, "/thanks"),
        ("direct", "shop.example.org", "referral", _, _, "/straße"),
        ("unassigned", "(data deleted)", "(data deleted)", _, _, "/"),
    ]
    assert loaded.told("device", "country", "revenue", "currency", "first_user_source", "transaction_id") == [
        ("mobile", "Côte d’Ivoire", _, _, "facebook", _),
        *[(_, _, _, _, _, _)] * 3,
        (_, _, 20.5, "EUR", _, "T1"),
        (_, _, _, _, "facebook", _),
        (_, _, _, _, _, _),
    ]
    # the same name, device and microsecond, but another place in the batch
    assert key_of("d1", "1714557601000000", "page_view", _, "7", "1", "2") in {
        event["event_id"] for event in loaded.events
    }
    assert loaded.bad_rows == [
        ("events.jsonl", 6, "customer_ref", _, "no id"),
        ("events.jsonl", 9, _, '{"event_timestamp": "17145576', "not JSON"),
    ]
    assert adds_up(loaded, rows=9, duplicates=1)


def test_ga4_parquet_of_an_older_export_without_the_later_columns(tmp_path: Path) -> None:
    parameters = "struct(key varchar, value struct(string_value varchar, int_value bigint))[]"
    lines = (SAMPLES / "ga4" / "events.jsonl").read_text(encoding="utf-8").splitlines()[:-1]
    (tmp_path / "rows.json").write_text("\n".join(lines), encoding="utf-8")
    select = (
        f"select cast(line ->> '$.event_timestamp' as bigint) as event_timestamp, "
        f"line ->> '$.event_name' as event_name, line ->> '$.user_id' as user_id, "
        f"line ->> '$.user_pseudo_id' as user_pseudo_id, "
        f"try_cast(line -> '$.event_params' as {parameters}) as event_params, "
        f"try_cast(line -> '$.traffic_source' as struct(source varchar, medium varchar, name varchar)) "
        f"as traffic_source, try_cast(line -> '$.ecommerce' as struct(purchase_revenue double, "
        f"transaction_id varchar)) as ecommerce "
        f"from read_ndjson_objects('{tmp_path}/rows.json') as rows(line)"
    )
    loaded = as_parquet(tmp_path, select, "uses: ga4\nfiles: '*.parquet'\n")
    assert loaded.told("at", "event_name", "customer_ref", "anonymous_ref", "session_ref") == GA4_IDENTITY
    assert loaded.told("channel", "revenue", "first_user_source") == [
        ("paid_search", _, "facebook"),
        *[("direct", _, _)] * 3,
        ("direct", 20.5, _),
        ("direct", _, "facebook"),
        ("unassigned", _, _),
    ]
    # without the batch columns the three page views cannot be told apart
    assert adds_up(loaded, rows=8, duplicates=2)


def test_ga4_refunds_take_revenue_away_whatever_their_sign(tmp_path: Path) -> None:
    lines = [
        {"event_name": "refund", "ecommerce": {"refund_value": 20.5, "transaction_id": "T1"}},
        {"event_name": "refund", "ecommerce": {"refund_value": -7, "transaction_id": "T2"}},
        {"event_name": "refund", "ecommerce": {"transaction_id": "T3"}},
        {"event_name": "purchase", "ecommerce": {"purchase_revenue": 9, "refund_value": 1}},
    ]
    rows = [
        {"event_timestamp": 1714557600000000 + number, "user_pseudo_id": "d1", **line}
        for number, line in enumerate(lines)
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    loaded = load(tmp_path, "uses: ga4\nformat: jsonl\nfiles: events.jsonl\n")
    assert loaded.told("event_name", "revenue", "transaction_id") == [
        ("refund", -20.5, "T1"),
        ("refund", -7, "T2"),
        ("refund", _, "T3"),
        ("purchase", 9, _),
    ]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_segment(tmp_path: Path, ending: str) -> None:
    content = (SAMPLES / "segment" / "events.jsonl").read_bytes()
    packed = gzip.compress(content) if ending.endswith("gz") else content
    (tmp_path / f"events.{ending}").write_bytes(packed)
    loaded = load(tmp_path, "uses: segment\nfiles: 'events.*'\n", OWN_HOSTS)
    assert loaded.told(*IDENTITY) == [
        ("m1", "2024-05-01 10:00:00.123000", "page", _, "a1", _, _),
        ("m2", "2024-05-01 10:05:00", "Order Completed", "u1", "a1", _, _),
        ("m2", "2024-05-01 10:05:00", "Order Completed", "u1", "a1", _, _),
        ("m3", "2024-05-01 10:06:00", "alias", "u1", _, "old-7", _),
        ("m6", "2024-05-01 10:09:00", "identify", "u2", "a2", _, _),
    ]
    assert loaded.told(*TRAFFIC)[0] == ("m1", "email", "newsletter", "email", "mai", "www.google.com", "/")
    assert loaded.told(*TRAFFIC)[4] == ("m6", "referral", _, _, _, "chat.example.net", _)
    assert (25.5, "EUR", "o1", "track") in loaded.told("revenue", "currency", "order_id", "type")
    assert loaded.bad_rows == [
        (f"events.{ending}", 5, _, "not JSON", "not JSON"),
        (f"events.{ending}", 6, "occurred_at", _, "no time"),
        (f"events.{ending}", 7, "customer_ref", _, "no id"),
    ]
    assert adds_up(loaded, rows=8, duplicates=1)


def test_rudderstack_raw_events_and_warehouse_rows(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "rudderstack")
    assert loaded.told(*IDENTITY) == [
        ("r1", "2024-05-01 10:00:00", "page", _, "a1", _, "a1.1714557600"),
        ("r2", "2024-05-01 10:05:00.500000", "Order Completed", "u1", "a1", _, "a1.1714557600"),
        ("r2", "2024-05-01 10:05:00.500000", "Order Completed", "u1", "a1", _, "a1.1714557600"),
        ("r3", "2024-05-01 10:06:00", "alias", "u1", _, "u0", _),
    ]
    assert loaded.told("channel", "utm_source", "page_path", "revenue", "rudder_channel") == [
        ("paid_other", "ads", "/start", _, "web"),
        *[("direct", _, "/danke", 9.99, "web")] * 2,
        ("direct", _, _, _, "server"),
    ]
    assert loaded.bad_rows == [("events.jsonl", 5, "revenue", "free", "not a number")]
    assert adds_up(loaded, rows=5, duplicates=1)


def test_rudderstack_parquet_tables_through_a_query(tmp_path: Path) -> None:
    loaded = as_parquet(
        tmp_path,
        "select 'r2' as id, 'u1' as user_id, timestamp '2024-05-01 10:05:00' as timestamp, "
        "'Order Completed' as event_text, 'ads' as context_campaign_source",
        "uses: rudderstack\nfiles: '*.parquet'\nformat: parquet\n"
        "query: select to_json(rows) as data from rows\n",
    )
    assert loaded.told("event_id", "at", "event_name", "customer_ref", "utm_source") == [
        ("r2", "2024-05-01 10:05:00", "Order Completed", "u1", "ads")
    ]


def test_snowplow(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "snowplow")
    assert loaded.told(*IDENTITY) == [
        ("s1", "2024-05-01 10:00:00.123000", "page_view", _, "dom1", _, "ses1"),
        ("s1", "2024-05-01 10:00:00.123000", "page_view", _, "dom1", _, "ses1"),
        ("s2", "2024-05-01 10:00:02", "page_view", _, "dom1", _, "ses1"),
        ("s4", "2024-05-01 10:05:00", "transaction", "Zoë", "dom1", _, "ses1"),
        ("s5", "2024-05-01 10:06:00", "struct", _, "dom1", _, "ses1"),
    ]
    assert loaded.told(*TRAFFIC)[1:4] == [
        ("s1", "organic_search", _, _, _, "www.bing.com", "/a"),
        ("s2", "paid_search", _, _, _, _, "/b"),
        ("s4", "email", "news", "email", "may", _, _),
    ]
    assert loaded.told(*FACTS)[2:4] == [("s2", _, _, _, _), ("s4", _, _, 19.9, "EUR")]
    assert loaded.told("se_category", "se_action")[4] == ("video", "play")
    ((file, row, column, value, reason),) = loaded.bad_rows
    assert (file, row, column, reason) == ("enriched.tsv", 4, "true_tstamp", "too few fields")
    assert value is not None
    assert value.count("\t") == 129
    assert adds_up(loaded, rows=6, duplicates=1)


def test_snowplow_apps_tell_visitor_and_session_in_the_client_session(tmp_path: Path) -> None:
    """A cookie of the web comes before it; contexts of another kind or broken ones are no fault."""
    entity = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
    screen = {"schema": "iglu:com.snowplowanalytics.mobile/screen/jsonschema/1-0-0", "data": {"userId": "no"}}
    session = {"schema": entity, "data": {"userId": "app1", "sessionId": "app-ses1"}}
    contexts = [
        json.dumps({"schema": "iglu:c/contexts/jsonschema/1-0-1", "data": entities})
        for entities in ([screen, session], [screen], [session])
    ]
    rows = [("e1", "", "", contexts[0]), ("e2", "", "u2", contexts[1]), ("e3", "dom1", "", contexts[2])]
    rows += [("e4", "", "u4", "{broken"), ("e5", "", "u5", "")]
    fields = plain(YamlFile(shipped_path("snowplow")).content)["fields"]
    lines = []
    for number, (event_id, cookie, user, context) in enumerate(rows):
        known = {
            "event_id": event_id,
            "domain_userid": cookie,
            "user_id": user,
            "contexts": context,
            "event": "page_view",
            "derived_tstamp": f"2024-05-01 10:00:0{number}",
        }
        lines.append("\t".join(known.get(name, "") for name in fields))
    (tmp_path / "enriched.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    loaded = load(tmp_path, "uses: snowplow\nfiles: enriched.tsv\n")
    assert loaded.bad_rows == []
    assert loaded.told("event_id", "customer_ref", "anonymous_ref", "session_ref") == [
        ("e1", _, "app1", "app-ses1"),
        ("e2", "u2", _, _),
        ("e3", _, "dom1", "app-ses1"),
        ("e4", "u4", _, _),
        ("e5", "u5", _, _),
    ]


POSTHOG = [
    # after a reset the id is a new one, and still of nobody
    ("u1", "2024-05-01 10:00:00.000001", "$pageview", _, "dev1", _, "s1"),
    ("u2", "2024-05-01 10:01:00", "$identify", "zoë@example.org", "dev1", _, _),
    # no $is_identified: the id is the device's own
    ("u3", "2024-05-01 10:02:00", "$pageview", _, "dev2", _, _),
    ("u4", "2024-05-01 10:03:00", "order", "zoë@example.org", _, _, _),
    ("u4", "2024-05-01 10:03:00", "order", "zoë@example.org", _, _, _),
    ("u5", "2024-05-01 10:04:00", "$create_alias", "zoë@example.org", _, "crm-9", _),
]


@pytest.mark.parametrize("written", ["jsonl", "parquet"])
def test_posthog(tmp_path: Path, written: str) -> None:
    if written == "parquet":
        line = SAMPLES / "posthog" / "events.jsonl"
        select = (
            "select line ->> '$.uuid' as uuid, line ->> '$.event' as event, "
            "line ->> '$.distinct_id' as distinct_id, line ->> '$.person_id' as person_id, "
            "cast(line -> '$.properties' as varchar) as properties, "
            "cast(line ->> '$.timestamp' as timestamptz) as timestamp "
            f"from read_ndjson_objects('{line}') as rows(line)"
        )
        loaded = as_parquet(tmp_path, select, "uses: posthog\nfiles: '*.parquet'\n")
    else:
        loaded = sample(tmp_path, "posthog", "format: jsonl\n")
    assert loaded.told(*IDENTITY) == POSTHOG
    assert loaded.told(*TRAFFIC)[0] == ("u1", "paid_other", "ads", "cpc", _, _, "/")
    assert loaded.told(*TRAFFIC)[2] == ("u3", "organic_search", _, _, _, "www.google.com", "/b")
    assert loaded.told(*FACTS)[0] == ("u1", "Mobile", "DE", _, _)
    assert loaded.told(*FACTS)[3] == ("u4", _, _, 5.0, "EUR")
    assert [row[1:] for row in loaded.bad_rows] == [(7, "customer_ref", _, "no id")]
    assert adds_up(loaded, rows=7, duplicates=1)


def test_mixpanel(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "mixpanel")
    key = key_of("Sign Up", "$device:D1", "1714557600", "i1")
    assert loaded.told(*IDENTITY[:6]) == [
        (key, "2024-05-01 10:00:00", "Sign Up", _, "D1", _),
        (key, "2024-05-01 10:00:00", "Sign Up", _, "D1", _),
        # the same $insert_id at another time is another event
        (key_of("Sign Up", "$device:D1", "1714557601", "i1"), "2024-05-01 10:00:01", "Sign Up", _, "D1", _),
        (
            key_of("Plan Upgraded", "u1", "1714557660.5", "i2"),
            "2024-05-01 10:01:00.500000", "Plan Upgraded", "u1", "D1", _,
        ),
        (key_of("Opened", "old-user", "1714557720", _), "2024-05-01 10:02:00", "Opened", "old-user", _, _),
        (
            key_of("$create_alias", "u1", "1714557780", "i3"),
            "2024-05-01 10:03:00", "$create_alias", "u1", _, "u1-b",
        ),
    ]  # fmt: skip
    assert loaded.told(*TRAFFIC)[0] == (key, "organic_social", _, _, _, "l.facebook.com", "/")
    assert loaded.told("channel", "utm_source")[3] == ("email", "news")
    assert loaded.told("country", "browser")[0] == ("FR", "Firefox")
    assert loaded.bad_rows == [
        # milliseconds where seconds are meant
        ("export.jsonl", 7, "occurred_at", "1714557600000", "in the future"),
        ("export.jsonl", 8, "occurred_at", _, "no time"),
    ]
    assert adds_up(loaded, rows=8, duplicates=1)


def test_mixpanel_of_an_old_project_in_its_own_time(tmp_path: Path) -> None:
    loaded = sample(
        tmp_path,
        "mixpanel",
        "time_format: iso\ntimezone: America/Los_Angeles\ncolumns:\n"
        "  occurred_at: make_timestamp(cast(data ->> '$.properties.time' as bigint) * 1000000)\n",
    )
    assert loaded.told("at")[0] == ("2024-05-01 17:00:00",)


def test_amplitude_zip_of_gzipped_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted((SAMPLES / "amplitude").iterdir()):
            packed = io.BytesIO()
            with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
                file.write(path.read_bytes())
            archive.writestr(f"1/{path.name}.gz", packed.getvalue())
        archive.writestr("__MACOSX/1/._x.json.gz", b"\x00not ours")
    loaded = load(tmp_path, "uses: amplitude\nfiles: '*.zip'\n", OWN_HOSTS)
    assert loaded.told(*IDENTITY) == [
        ("x3", "2024-05-01 09:00:00", "Late", "u2", "D2", _, _),
        ("x1", "2024-05-01 10:00:00", "[Amplitude] Page Viewed", _, "D1", _, "D1.1714557600000"),
        ("x2", "2024-05-01 10:01:00.250000", "revenue_amount", "u1", "D1", _, "D1.1714557600000"),
        ("x2", "2024-05-01 10:01:00.250000", "revenue_amount", "u1", "D1", _, "D1.1714557600000"),
    ]
    assert loaded.told(*TRAFFIC)[1] == ("x1", "email", "news", "email", _, _, "/ä")
    assert loaded.told(*FACTS) == [
        ("x3", _, _, 7.0, _),
        ("x1", "iPhone", "Österreich", _, _),
        *[("x2", _, _, 7.5, _)] * 2,
    ]
    file = "export.zip/1/1_2024-05-01_11#1.json.gz"
    assert loaded.bad_rows == [(file, 3, "event_name", _, "no event name")]
    assert adds_up(loaded, rows=5, duplicates=1)


MATOMO = [
    ("1", "2024-05-01 10:00:00", "page_view", _, "00ff10a2b3c4d5e6", _, "10"),
    ("2", "2024-05-01 10:00:05", "Play", _, "00ff10a2b3c4d5e6", _, "10"),
    ("3", "2024-05-01 11:00:00", "download", "zoë", "0a0b0c0d0e0f0001", _, "11"),
    ("3", "2024-05-01 11:00:00", "download", "zoë", "0a0b0c0d0e0f0001", _, "11"),
    ("4", "2024-05-01 12:00:00", "site_search", _, "0a0b0c0d0e0f0001", _, "12"),
]


@pytest.mark.parametrize("written", ["csv", "parquet"])
def test_matomo(tmp_path: Path, written: str) -> None:
    if written == "parquet":
        rows = f"read_csv('{SAMPLES}/matomo/actions.csv', all_varchar = true)"
        select = (
            f"select * replace (unhex(idvisitor) as idvisitor, cast(idlink_va as bigint) as idlink_va, "
            f"cast(action_type as tinyint) as action_type, nullif(user_id, '\\N') as user_id, "
            f"try_cast(server_time as timestamp) as server_time) from {rows}"
        )
        loaded = as_parquet(tmp_path, select, "uses: matomo\nfiles: '*.parquet'\nformat: parquet\n")
    else:
        loaded = sample(tmp_path, "matomo")
    assert loaded.told(*IDENTITY) == MATOMO
    assert loaded.told(*TRAFFIC)[:3] == [
        ("1", "organic_search", "Google", "organic", _, "www.google.com", "/start"),
        ("2", "organic_search", "Google", "organic", _, "www.google.com", "/film"),
        # of a campaign only the name is known
        ("3", "unassigned", "may", _, "may", _, "/a.pdf"),
    ]
    assert loaded.told(*TRAFFIC)[4] == ("4", "direct", "(direct)", "(none)", _, _, _)
    assert loaded.told("device", "country", "title", "event_category") == [
        ("desktop", "de", "Start, hier", _),
        ("desktop", "de", "Film", "Video"),
        *[("mobile", "at", _, _)] * 2,
        ("tablet", _, _, _),
    ]
    ((_file, row, column, _value, reason),) = loaded.bad_rows
    assert (row, column) == (6, "occurred_at")
    assert reason == ("not a time" if written == "csv" else "no time")
    assert adds_up(loaded, rows=6, duplicates=1)


def test_matomo_tables_joined_by_the_query_of_its_header(tmp_path: Path) -> None:
    header = shipped_path("matomo").read_text(encoding="utf-8").split("\n#   select ", 1)[1].split("\n#\n")[0]
    query = "select " + header.replace("\n#   ", "\n")
    tables = {
        "log_link_visit_action": "select 1 as idlink_va, 10 as idvisit, "
        "unhex('00FF10A2B3C4D5E6') as idvisitor, "
        "timestamp '2024-05-01 10:00:00' as server_time, 5 as idaction_url, 6 as idaction_name, "
        "cast(null as bigint) as idaction_event_category, cast(null as bigint) as idaction_event_action",
        "log_visit": "select 10 as idvisit, 'u1' as user_id, 3 as referer_type, "
        "'blog.example.net' as referer_name, 'https://blog.example.net/x' as referer_url, "
        "0 as config_device_type, 'de' as location_country",
        "log_action": "select * from (values (5, 1, 'example.org/start', 2), (6, 4, 'Start', null)) "
        "as actions(idaction, type, name, url_prefix)",
        # an order, a cart left behind, another goal
        "log_conversion": "select 10 as idvisit, unhex('00FF10A2B3C4D5E6') as idvisitor, "
        "timestamp '2024-05-01 10:05:00' as server_time, * from (values (0, 'A7', 19.9), (-1, null, 5.0), "
        "(3, null, 0.0)) as goals(idgoal, idorder, revenue)",
    }
    with duckdb.connect() as engine:
        for name, select in tables.items():
            engine.execute(f"copy ({select}) to '{tmp_path}/{name}.parquet' (format parquet)")
    files = "\n".join(f"  {name}: {name}.parquet" for name in tables)
    indented = query.replace("\n", "\n  ")
    loaded = load(tmp_path, f"uses: matomo\nformat: parquet\nfiles:\n{files}\nquery: |\n  {indented}\n")
    assert loaded.told(*IDENTITY) == [
        ("1", "2024-05-01 10:00:00", "page_view", "u1", "00ff10a2b3c4d5e6", _, "10"),
        ("order-A7", "2024-05-01 10:05:00", "order", "u1", "00ff10a2b3c4d5e6", _, "10"),
    ]
    assert loaded.told("channel", "page_path", "title", "revenue", "order_id") == [
        ("referral", "/start", "Start", _, _),
        ("referral", _, _, 19.9, "A7"),
    ]


def test_xes(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "xes", "columns:\n  customer_ref: trace ->> '$.customer'\n")
    assert loaded.told("at", "event_name", "customer_ref", "session_ref", "resource", "transition") == [
        # two events alike in all but their place
        *[("2024-05-01 10:00:00", "open", "Zoë & Söhne", "T1", "R1", "complete")] * 2,
        ("2024-05-02 09:00:00", "close", "Zoë & Söhne", "T1", _, _),
    ]
    assert loaded.bad_rows == [
        ("log.xes", 4, "customer_ref", _, "no id"),
        ("log.xes", 5, "occurred_at", _, "no time"),
    ]
    assert adds_up(loaded, rows=5, duplicates=0)


def test_xes_takes_the_case_for_the_customer_by_itself(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "xes")
    assert loaded.told("customer_ref") == [("T1",)] * 3
    assert loaded.told("channel") == [("unassigned",)] * 3


def test_access_log(tmp_path: Path) -> None:
    loaded = sample(tmp_path, "access_log")
    told = loaded.told("at", "event_name", "customer_ref", "channel", "page_path", "device", "is_bot")
    assert sorted(told, key=lambda row: row[:2]) == [
        ("2024-05-01 10:00:00", "asset", _, "direct", "/style.css", "desktop", False),
        ("2024-05-01 10:00:00", "asset", _, "direct", "/style.css", "desktop", False),
        ("2024-05-01 10:00:00", "page_view", _, "email", "/start", "desktop", False),
        ("2024-05-01 10:00:03", "error", _, "direct", "/a", "desktop", True),
        ("2024-05-01 10:00:05", "post", _, "direct", "/api", _, False),
        ("2024-12-01 00:00:01", "redirect", "zoe", "organic_search", "/kasse", "mobile", False),
    ]
    visitors = [visitor for (visitor,) in loaded.told("anonymous_ref")]
    assert (len(set(visitors[:3])), len(set(visitors))) == (1, 4)
    request = '192.0.2.3 - - [01/May/2024:12:00:04 +0200] "-" 408 0 "-" "-"'
    assert loaded.bad_rows == [
        ("access.log", 6, _, request, "not a log line"),
        ("access.log", 8, "occurred_at", "41/May/2024:12:00:06 +0200", "not a time"),
    ]
    assert adds_up(loaded, rows=8, duplicates=1)
