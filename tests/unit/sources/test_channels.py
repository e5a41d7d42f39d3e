"""Channels: every rule of the default group, where an event's source comes from, own rules, and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from journey_analytics.errors import ConfigError
from journey_analytics.sources.channels.addresses import parse_place_sql, parse_query_sql, split_url_sql
from journey_analytics.sources.channels.explanation import explain
from journey_analytics.sources.channels.rules import INPUTS, SOURCE_LISTS, ChannelRules, read_channels
from journey_analytics.sources.channels.sql import carried, channel_sql, events_sql, struct_sql
from tests.unit.files import advice, told, write

_FOLDER = files("journey_analytics.sources.channels") / "groups"
_GROUP = read_channels(None)
Row = Mapping[str, str | None]


def _answers(rules: ChannelRules, rows: list[Row], sql: str) -> list[Any]:
    """The expression over a table that holds the rows, in their order."""
    with duckdb.connect() as engine:
        engine.execute(f"create table e (n integer, {', '.join(f'{name} varchar' for name in INPUTS)})")
        engine.executemany(
            f"insert into e values (?, {', '.join('?' for _ in INPUTS)})",
            [[n, *(row.get(name) for name in INPUTS)] for n, row in enumerate(rows)],
        )
        return [answer for (answer,) in engine.execute(f"select {sql} from e order by n").fetchall()]


def _channels(rules: ChannelRules, rows: list[Row]) -> list[str]:
    return _answers(rules, rows, channel_sql(rules, {name: name for name in INPUTS}))


def _channel(rules: ChannelRules = _GROUP, /, **row: str | None) -> str:
    return _channels(rules, [row])[0]


def _source(rules: ChannelRules = _GROUP, /, **row: str | None) -> tuple[str | None, str | None, str]:
    """Source and medium as rules see them, and where they come from."""
    event = events_sql(rules, {name: name for name in INPUTS}, {})
    told = struct_sql(carried("source", "medium", "origin"))
    (found,) = _answers(rules, [row], f"(select {told} from ({event}))")
    return found["source"], found["medium"], found["origin"]


def _own(tmp_path: Path, text: str) -> ChannelRules:
    return read_channels(write(tmp_path / "channels.yaml", text))


def _refused(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        _own(tmp_path, text)
    return caught.value


# --- the default group: source, medium, campaign -> channel ----------------------------------------------

_TAKEN: list[tuple[str | None, str | None, str | None, str]] = [
    ("(direct)", "(none)", None, "direct"),
    ("(direct)", "(not set)", None, "direct"),
    (None, None, None, "direct"),
    ("(direct)", "cpc", None, "paid_other"),  # direct only with that medium
    ("direct", "(none)", None, "unassigned"),  # without brackets it is a name like another
    ("(direct)", "(none)", "cross-network", "direct"),  # direct is asked first
    ("google", "cpc", "Cross-network", "cross_network"),  # not paid search
    ("google", "cpc", "eu cross-network 2024", "cross_network"),
    ("google", "cpc", "cross network", "paid_search"),
    ("amazon", "cpc", None, "paid_shopping"),
    ("amazon.co.uk", "ppc", None, "paid_shopping"),
    ("amazon.evil.com", "ppc", None, "paid_other"),
    ("google", "cpc", "eshop-autumn", "paid_shopping"),  # before paid search, by its campaign
    ("google", "cpc", "shop", "paid_shopping"),
    ("google", "cpc", "online-shopping", "paid_shopping"),
    ("google", "cpc", "workshop", "paid_search"),  # "shop" after a letter other than e is another word
    ("google", "cpc", "bishop", "paid_search"),
    ("google", "retargeting", None, "paid_search"),
    ("bing", "paidsearch", None, "paid_search"),
    ("www.google.com.au", "cpc", None, "paid_search"),
    ("google.evil.com", "cpc", None, "paid_other"),
    ("notgoogle.com", "cpc", None, "paid_other"),
    ("facebook", "paid-social", None, "paid_social"),
    ("l.instagram.com", "cpm", None, "paid_social"),  # cpm holds "cp", so it is paid before it is display
    ("facebook", "unpaid", None, "organic_social"),  # paid only at its beginning
    ("youtube", "cpv", None, "paid_video"),
    ("youtube", "ppc2", None, "organic_video"),  # ppc only as a whole
    ("dv360", "display", None, "display"),
    ("dv360", "cpm", None, "display"),  # before paid other
    ("dv360", "banner", None, "display"),
    ("dv360", "expandable", None, "display"),
    ("dv360", "interstitial", None, "display"),
    ("dv360", "banners", None, "unassigned"),
    ("somebody", "cpc", None, "paid_other"),
    (None, "cpc", None, "paid_other"),
    ("somebody", "retargetings", None, "unassigned"),
    ("ebay", "referral", None, "organic_shopping"),
    ("somebody", "referral", "spring shopping", "organic_shopping"),
    ("somebody", "referral", "spring workshop", "referral"),
    ("m.facebook.com", "referral", None, "organic_social"),
    ("t.co", "referral", None, "organic_social"),
    ("blog", "social-network", None, "organic_social"),
    ("blog", "Social Media", None, "organic_social"),
    ("blog", "sm", None, "organic_social"),
    ("blog", "socials", None, "unassigned"),
    ("vimeo.com", "referral", None, "organic_video"),
    ("blog", "in-video-link", None, "organic_video"),
    ("blog", "vide", None, "unassigned"),
    ("chatgpt.com", None, None, "ai_assistant"),
    ("anything", "ai-assistant", None, "ai_assistant"),
    ("anything", "ai-assistants", None, "unassigned"),
    ("gemini.google.com", "organic", None, "ai_assistant"),  # asked before organic search
    ("google", None, None, "organic_search"),
    ("duckduckgo.com", "referral", None, "organic_search"),
    ("intranet", "organic", None, "organic_search"),
    ("intranet", "organics", None, "unassigned"),
    ("partner.example", "referral", None, "referral"),
    ("partner.example", "app", None, "referral"),
    ("partner.example", "link", None, "referral"),
    ("partner.example", "links", None, "unassigned"),
    ("email", "newsletter", None, "email"),  # by its source
    ("crm", "e mail", None, "email"),
    ("crm", "e-mail", None, "email"),
    ("crm", "E_Mail", None, "email"),
    ("crm", "emails", None, "unassigned"),
    ("email", "referral", None, "referral"),  # referral is asked first
    ("awin", "affiliate", None, "affiliates"),
    ("awin", "affiliation", None, "unassigned"),
    ("podcast", "audio", None, "audio"),
    ("podcast", "audio ad", None, "unassigned"),
    ("sms", "campaign", None, "sms"),
    ("crm", "SMS", None, "sms"),
    ("crm", "mms", None, "unassigned"),
    ("crm", "web-push", None, "mobile_push"),  # ends in push
    ("crm", "push-web", None, "unassigned"),
    ("crm", "mobile banner", None, "mobile_push"),
    ("crm", "in-app notification", None, "mobile_push"),
    ("firebase", None, None, "mobile_push"),
    ("firebases", None, None, "unassigned"),
    ("crm", "audio-push", None, "mobile_push"),
]


def test_every_rule_of_the_group_takes_its_own_and_leaves_the_near_miss() -> None:
    rows = [{"source": source, "medium": medium, "campaign": name} for source, medium, name, _ in _TAKEN]
    assert [(*row, found) for (*row, _), found in zip(_TAKEN, _channels(_GROUP, rows), strict=True)] == _TAKEN


def test_the_table_of_cases_names_every_channel() -> None:
    assert {expected for *_, expected in _TAKEN} == set(_GROUP.channels)


def test_letter_case_and_blanks_around_a_value_never_matter() -> None:
    assert _channel(source="  GooGLE ", medium="CPC") == "paid_search"
    assert _channel(source="(Direct)", medium="(NONE)") == "direct"
    assert _channel(referrer_host="WWW.Google.DE") == "organic_search"
    assert _channel(source="  ", medium="") == "direct"


def test_text_that_looks_like_sql_is_only_text() -> None:
    for text in ("'; drop table e; --", "x' or '1'='1", "google'--", "\\' or 1=1", "$1 {} %s"):
        assert _channel(source=text, medium=text, campaign=text, click_id=text) == "unassigned"
        assert _channel(referrer_host=text) == "referral"
        assert explain(_GROUP, {"source": text, "medium": "cpc"})[-1].channel == "paid_other"


def test_an_expression_that_is_not_named_is_missing() -> None:
    assert duckdb.sql(f"select {channel_sql(_GROUP, {})}").fetchall() == [("direct",)]
    assert duckdb.sql(
        f"select {channel_sql(_GROUP, {'medium': 'lower(x)'})} from (select 'SMS' x)"
    ).fetchall() == [("sms",)]


def test_an_expression_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'referrer_host'"):
        channel_sql(_GROUP, {"referer_host": "r"})


def test_columns_named_like_the_inputs_are_read_from_the_events_own_table() -> None:
    """Subqueries inside the expression must not hide a column of the outer query."""
    expressions = {"source": "medium", "medium": "e.source", "click_id": "campaign"}
    sql = (
        f"select {channel_sql(_GROUP, expressions)} from (select 'cpc' source, 'bing' medium, 'x' campaign) e"
    )
    assert duckdb.sql(sql).fetchall() == [("paid_search",)]


# --- source lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "channel"),
    [
        ("m.facebook.com", "organic_social"),
        ("facebook.com.", "organic_social"),
        ("notfacebook.com", "referral"),
        ("facebook.com.evil.example", "referral"),
        ("facebook", "organic_social"),
        ("my.facebook", "referral"),  # a name without a dot is compared as a whole
        ("google.co.uk", "organic_search"),
        ("www.google.de", "organic_search"),
        ("news.google.com", "organic_search"),
        ("google.evil.com", "referral"),
        ("google.com.evil.com", "referral"),
        ("googlexcom", "referral"),
        ("docs.google.com", "referral"),  # taken out of google.*
        ("team.docs.google.de", "referral"),
        ("groups.google.com", "organic_social"),  # the longer host counts, not the list that is asked first
        ("gemini.google.com", "ai_assistant"),
        ("shopping.naver.com", "organic_shopping"),
        ("blog.naver.com", "organic_social"),
        ("search.naver.com", "organic_search"),
        ("com.google.android.googlequicksearchbox", "organic_search"),
        ("chatgpt.com", "ai_assistant"),
        ("xn--bcher-kva.example", "referral"),
        ("bücher.example", "referral"),
    ],
)
def test_a_host_belongs_to_the_longest_listed_host_it_is_below(host: str, channel: str) -> None:
    assert _channel(referrer_host=host) == channel


def _list_lines(name: str) -> list[str]:
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_source_lists_say_where_they_come_from_and_hold_no_name_twice() -> None:
    lines = [line.removeprefix("!") for name in SOURCE_LISTS for line in _list_lines(name)]
    assert sorted({line for line in lines if lines.count(line) > 1}) == []
    assert [line for line in lines if line != line.strip().lower()] == []
    for name in SOURCE_LISTS:
        assert "# Origin: " in (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_line_of_every_list_gives_its_channel() -> None:
    expected = {
        "search": "organic_search",
        "social": "organic_social",
        "shopping": "organic_shopping",
        "video": "organic_video",
        "ai_assistants": "ai_assistant",
    }
    lines = [(name, line) for name in SOURCE_LISTS for line in _list_lines(name)]
    hosts = [line.removeprefix("!").replace(".*", ".com.br") for _, line in lines]
    found = _channels(_GROUP, [{"source": host, "medium": "referral"} for host in hosts])
    wanted = ["referral" if line.startswith("!") else expected[name] for name, line in lines]
    assert [
        (line, got) for (_, line), got, want in zip(lines, found, wanted, strict=True) if got != want
    ] == []


# --- where the source comes from -------------------------------------------------------------------------


def test_a_tag_goes_before_a_click_id_and_a_click_id_before_the_referrer() -> None:
    host = "partner.example"
    assert _source(source="crm", medium="email", click_id="gclid", referrer_host=host) == (
        "crm",
        "email",
        "given",
    )
    assert _source(medium="email", click_id="gclid") == (None, "email", "given")
    assert _source(source="crm", click_id="gclid") == ("crm", None, "given")
    assert _source(click_id="gclid", referrer_host=host) == ("google", "cpc", "click_id")
    assert _source(referrer_host=host) == (host, "referral", "referrer")
    assert _source() == ("(direct)", "(none)", "direct")


@pytest.mark.parametrize(
    ("click_id", "channel"),
    [
        ("gclid", "paid_search"),
        ("GBRAID", "paid_search"),
        ("dclid", "display"),
        ("srsltid", "organic_shopping"),
        ("fbclid", "organic_social"),
        ("ttclid", "paid_social"),
        ("ScCid", "paid_social"),
        ("mc_eid", "email"),
        ("awc", "affiliates"),
        ("tblci", "paid_other"),
    ],
)
def test_a_click_id_stands_for_a_source_and_a_medium(click_id: str, channel: str) -> None:
    assert _channel(click_id=click_id) == channel
    assert _channel(click_id=click_id, source="crm", medium="sms") == "sms"


def test_a_click_id_nobody_knows_leaves_the_referrer_but_is_not_direct() -> None:
    assert _channel(click_id="zzclid") == "unassigned"
    assert _source(click_id="zzclid") == (None, None, "unknown")
    assert _source(click_id="zzclid", referrer_host="t.co") == ("t.co", "referral", "referrer")


def test_every_click_id_gives_a_channel() -> None:
    ids = YAML(typ="safe").load((_FOLDER / "click_ids.yaml").read_text(encoding="utf-8"))["click_ids"]
    assert [name for name in ids if name != name.lower()] == []
    assert "unassigned" not in _channels(_GROUP, [{"click_id": name} for name in ids])


def test_a_search_engine_is_called_by_its_name() -> None:
    assert _source(referrer_host="www.google.co.uk") == ("google", "organic", "referrer")
    assert _source(referrer_host="de.search.yahoo.com") == ("yahoo", "organic", "referrer")
    assert _source(referrer_host="search.brave.com") == ("brave", "organic", "referrer")
    assert _source(referrer_host="so.com") == ("so.com", "organic", "referrer")
    assert _source(referrer_host="claude.ai") == ("claude.ai", "ai-assistant", "referrer")
    assert _source(source="www.google.co.uk") == ("www.google.co.uk", None, "given")  # a tag stays as it is


def test_a_removed_value_is_missing_but_not_direct() -> None:
    hidden = ("(data deleted)", "<Other>")
    for mark in hidden:
        assert _channel(source=mark, medium=mark) == "unassigned"
        assert _channel(source=mark) == "unassigned"
        assert _channel(medium=mark, source="(not set)") == "unassigned"
        assert _channel(source=mark, medium="(none)") == "unassigned"
        assert _channel(source="(direct)", medium=mark) == "unassigned"
        assert _channel(source=mark, medium="cpc") == "paid_other"
        assert _channel(source=mark, medium="organic") == "organic_search"
        assert _channel(source="google", medium=mark) == "organic_search"
        assert _channel(source=mark, medium=mark, click_id="gclid") == "paid_search"
        assert _channel(source=mark, medium=mark, referrer_host="t.co") == "organic_social"
        assert _channel(referrer_host=mark) == "direct"  # a hidden referrer says nothing of a campaign
        assert _channel(click_id=mark) == "direct"
    assert _channel(source="<Other>", medium="<Other>", campaign="cross-network") == "cross_network"
    assert _source(source="<Other>", medium="cpc") == (None, "cpc", "given")


def test_a_value_that_was_never_set_is_missing_and_direct() -> None:
    for mark in ("(not set)", "(not provided)", None):
        assert _channel(source=mark, medium=mark) == "direct"
        assert _channel(source=mark, medium="(none)") == "direct"
        assert _channel(source=mark, medium=mark, referrer_host="www.bing.com") == "organic_search"
        assert _channel(source="(direct)", medium=mark) == "direct"
        assert _channel(source="newsletter", medium=mark) == "unassigned"
        assert (
            _channel(source=mark, medium=mark, referrer_host=mark, click_id=mark, campaign=mark) == "direct"
        )


def test_a_stated_direct_visit_stays_direct_whatever_its_referrer() -> None:
    row = {"source": "(direct)", "medium": "(none)", "referrer_host": "t.co", "click_id": "gclid"}
    assert _channel(**row) == "direct"


# --- own hosts -------------------------------------------------------------------------------------------

_OWN_HOSTS = "own_hosts: [shop.example, WWW.Other.example]\n"


def test_own_hosts_and_those_below_are_never_a_source(tmp_path: Path) -> None:
    rules = _own(tmp_path, _OWN_HOSTS)
    assert rules.own_hosts == ("shop.example", "other.example")
    for host in ("shop.example", "www.shop.example", "pay.eu.SHOP.example.", "m.other.example"):
        assert _channel(rules, referrer_host=host) == "direct"
        assert _source(rules, referrer_host=host) == ("(direct)", "(none)", "direct")
    for source in ("shop.example", "PAY.shop.example"):
        assert _channel(rules, source=source, medium="referral") == "direct"
        assert _channel(rules, source=source, medium="referral", referrer_host="t.co") == "organic_social"
        assert _source(rules, source=source, medium="email") == (None, "email", "given")
    assert _channel(referrer_host="shop.example") == "referral"  # without own_hosts


def test_hosts_that_look_like_an_own_host_are_sources(tmp_path: Path) -> None:
    rules = _own(tmp_path, _OWN_HOSTS)
    for host in ("notshop.example", "shop.example.evil.com", "shopxexample", "example"):
        assert _channel(rules, referrer_host=host) == "referral"


def test_a_self_referral_with_a_tag_or_a_click_id_keeps_them(tmp_path: Path) -> None:
    rules = _own(tmp_path, _OWN_HOSTS)
    assert _channel(rules, referrer_host="shop.example", source="crm", medium="email") == "email"
    assert _channel(rules, referrer_host="shop.example", click_id="gclid") == "paid_search"


def test_the_page_itself_is_no_source() -> None:
    assert _channel(referrer_host="shop.example", landing_host="www.shop.example") == "direct"
    assert _channel(referrer_host="blog.example", landing_host="www.shop.example") == "referral"


@pytest.mark.parametrize("host", [".", "www.", " "])
def test_a_host_of_nothing_is_none(host: str) -> None:
    assert _channel(referrer_host=host) == "direct"


# --- own rules -------------------------------------------------------------------------------------------


def test_own_rules_are_tried_before_the_group_in_their_order(tmp_path: Path) -> None:
    rules = _own(
        tmp_path,
        """\
        rules:
          - channel: partner
            when: {source: [Acme, beta], medium: cpc}
          - channel: brand_search
            rule: brand
            when: {source_list: search, campaign: {contains: Brand}}
          - channel: never
            when: {source: acme, medium: cpc}
        """,
    )
    assert _channel(rules, source="ACME", medium="cpc") == "partner"
    assert _channel(rules, source="acme", medium="email") == "email"
    assert _channel(rules, source="google", medium="cpc", campaign="our brand") == "brand_search"
    assert _channel(rules, source="google", medium="cpc") == "paid_search"
    assert [(rule.name, rule.channel, rule.is_own) for rule in rules.rules[:2]] == [
        ("partner", "partner", True),
        ("brand", "brand_search", True),
    ]
    assert rules.channels == ("partner", "brand_search", "never", *_GROUP.channels)


@pytest.mark.parametrize(
    ("when", "taken", "left"),
    [
        ("{source: {starts_with: Par}}", {"source": "partner"}, {"source": "apart"}),
        ("{source: {ends_with: ner}}", {"source": "partner"}, {"source": "partners"}),
        ("{source: {contains: '%t_'}}", {"source": "a%t_b"}, {"source": "xtyz"}),
        ("{source: {matches: '^P.*[0-9]$'}}", {"source": "p9"}, {"source": "p"}),
        ("{source: {not: [a, B]}}", {"medium": "zz"}, {"source": "b"}),
        ("{campaign: {exists: true}}", {"campaign": "x"}, {"campaign": "(not set)"}),
        ("{campaign: {exists: false}, medium: zz}", {"medium": "zz"}, {"medium": "zz", "campaign": "x"}),
        ("{click_id: [gclid]}", {"click_id": "GCLID", "source": "x"}, {"click_id": "fbclid"}),
        (
            "{referrer_host: www.partner.example}",
            {"referrer_host": "partner.example"},
            {"referrer_host": "x"},
        ),
        (
            "{landing_host: de.shop.example}",
            {"landing_host": "DE.shop.example"},
            {"landing_host": "shop.example"},
        ),
        ("{not: {medium: {exists: true}}}", {"source": "x"}, {"source": "x", "medium": "y"}),
        ("{any: [{source: a}, {medium: b}]}", {"medium": "b"}, {"medium": "a"}),
        ("{all: [{source: a}, {medium: b}]}", {"source": "a", "medium": "b"}, {"medium": "b"}),
        ("{source: {contains: a, not: ab}}", {"source": "ac"}, {"source": "ab"}),
        ("{source: 'ΟΔΟΣ'}", {"source": "οδοσ"}, {"source": "οδο"}),
        ('{source: "it\'s"}', {"source": "IT'S"}, {"source": "its"}),
    ],
)
def test_each_test_of_a_condition(tmp_path: Path, when: str, taken: Row, left: Row) -> None:
    rules = _own(tmp_path, f"rules:\n- channel: mine\n  when: {when}\n")
    found = _channels(rules, [taken, left])
    assert found[0] == "mine"
    assert found[1] != "mine"
    assert explain(rules, taken)[1].is_matched
    assert not explain(rules, left)[1].is_matched


def test_faults_of_a_file_are_told_together_with_place_and_closest_name(tmp_path: Path) -> None:
    error = _refused(
        tmp_path,
        """\
        own_host: [a.example]
        rules:
          - channel: Paid Partner
            when: {sorce: x}
          - chanel: partner
            when: {source: x}
          - channel:
            when: {source: {start_with: x}}
          - channel: a
          - channel: b
            when: {source_list: serch, medium: 7, campaign: {matches: '(?<=x)'}, source: []}
        """,
    )
    assert told(error) == [
        ("channels.yaml:1:1", "unknown key 'own_host'"),
        ("channels.yaml:3:14", "channel 'Paid Partner' is not a name in lower case"),
        ("channels.yaml:4:12", "unknown column 'sorce'"),
        ("channels.yaml:5:5", "unknown key 'chanel'"),
        ("channels.yaml:5:5", "a rule needs a channel"),
        ("channels.yaml:7:5", "a rule needs a channel"),
        ("channels.yaml:8:21", "unknown test 'start_with' of column 'source'"),
        ("channels.yaml:9:5", "the rule of channel 'a' has no 'when'"),
        ("channels.yaml:11:25", "unknown source list 'serch'"),
        ("channels.yaml:11:40", "medium is text, and 7 is not"),
        (
            "channels.yaml:11:63",
            "bad regular expression: Invalid Input Error: invalid perl operator: (?<",
        ),
        ("channels.yaml:11:74", "source is compared with an empty list"),
    ]
    does = [problem.do for problem in error.problems]
    assert does[0].startswith("use 'own_hosts'")
    assert does[1].startswith("write 'paid_partner'")
    assert does[2].startswith("use 'source'")
    assert does[3].startswith("use 'channel'")
    assert does[6].startswith("use 'starts_with'")
    assert does[8].startswith("use 'search'")


@pytest.mark.parametrize("host", ["https://shop.example/", "shop.example/path", "shop.example:8080"])
def test_an_own_host_that_is_an_address_is_refused_with_its_host(tmp_path: Path, host: str) -> None:
    error = _refused(tmp_path, f"own_hosts:\n  - {host}\n")
    assert told(error) == [("channels.yaml:2:5", f"{host!r} is not a host")]
    assert advice(error) == "write shop.example; hosts below it are included"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("rules: partner\n", "'rules' is a list of rules"),
        ("rules:\n- partner\n", "a rule is a list of keys"),
        ("rules:\n- {channel: a, when: }\n", "conditions are 'column: value' keys"),
        ("rules:\n- {channel: a, when: {any: {}}}\n", "'any' takes a list of conditions"),
        ("rules:\n- {channel: a, when: {source: {exists: 1}}}\n", "exists is true or false"),
        ("rules:\n- {channel: a, when: {source: {contains: [a]}}}\n", "'contains' takes one value"),
        ("rules:\n- {channel: a, when: {source: {}}}\n", "source is compared with nothing"),
        ("rules:\n- {channel: a, when: {source: ' '}}\n", "source is compared with an empty text"),
        ("rules:\n- {channel: '', when: {source: a}}\n", "a rule needs a channel"),
        ("own_hosts: shop.example\n", "own_hosts: this is no list: shop.example"),
    ],
)
def test_a_fault_is_told(tmp_path: Path, text: str, what: str) -> None:
    assert [found for _, found in told(_refused(tmp_path, text))] == [what]


# --- explanation -----------------------------------------------------------------------------------------


def test_explain_tells_the_source_and_every_rule_up_to_the_one_that_takes_it() -> None:
    steps = explain(_GROUP, {"referrer_host": "m.facebook.com", "medium": None})
    assert (steps[0].rule, steps[0].channel) == ("traffic_source", None)
    assert steps[0].reason == "m.facebook.com / referral, from the referrer m.facebook.com"
    assert {(step.source, step.medium, step.origin) for step in steps} == {
        ("m.facebook.com", "referral", "referrer")
    }
    last = steps[-1]
    assert (last.rule, last.channel, last.is_matched) == ("organic_social", "organic_social", True)
    assert [step.is_matched for step in steps[1:-1]] == [False] * 9
    paid_social = next(step for step in steps if step.rule == "paid_social")
    paid = "(medium contains 'cp' or medium is one of 'ppc', 'retargeting' or medium starts with 'paid')"
    assert paid_social.reason == f"not met: {paid} (medium is 'referral')"
    assert steps[1].reason == "not met: source is '(direct)' (source is 'm.facebook.com')"


def test_explain_ends_with_unassigned_when_no_rule_takes_the_event() -> None:
    steps = explain(_GROUP, {"source": "<Other>"})
    assert len(steps) == len(_GROUP.rules) + 2
    assert (steps[-1].channel, steps[-1].reason) == ("unassigned", "no rule takes it")
    assert steps[0].reason == "no source / no medium: there is one, but it is hidden or not known"
    assert steps[1].reason == "not met: source is '(direct)' (source is missing)"


# --- an independent reading of the rule table ------------------------------------------------------------


def _read_by_hand() -> tuple[list[dict[str, Any]], dict[str, list[str]], dict[str, dict[str, str]]]:
    def load(name: str) -> Any:
        return YAML(typ="safe").load((_FOLDER / name).read_text(encoding="utf-8"))

    lists = {name: _list_lines(name) for name in SOURCE_LISTS}
    return load("rules.yaml")["rules"], lists, load("click_ids.yaml")["click_ids"]


_RULES, _LISTS, _IDS = _read_by_hand()
_ENDING = re.compile(r"(com|(com?\.)?[a-z][a-z])")


def _list_of(value: str | None) -> str | None:
    """Cut labels off the front of the value until a line of a list is what is left."""
    left = value or ""
    while left:
        for name, lines in _LISTS.items():
            for line in lines:
                text = line.removeprefix("!")
                head = text.removesuffix("*")
                is_it = left == text or (
                    head != text and left.startswith(head) and _ENDING.fullmatch(left.removeprefix(head))
                )
                if is_it and ("." in text or left == value):
                    return None if line.startswith("!") else name
        left = left.partition(".")[2]
    return None


def _holds(when: dict[str, Any], event: dict[str, str | None]) -> bool:
    for key, test in when.items():
        if key in ("any", "all"):
            if not (any if key == "any" else all)(_holds(part, event) for part in test):
                return False
            continue
        value = event[key]
        operator, wanted = next(iter(test.items())) if isinstance(test, dict) else ("in", test)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if (
            value is None
            or not {
                "in": value in wanted,
                "contains": wanted[0] in value,
                "starts_with": value.startswith(wanted[0]),
                "ends_with": value.endswith(wanted[0]),
                "matches": re.search(wanted[0], value) is not None,
            }[operator]
        ):
            return False
    return True


_NEVER_SET, _HIDDEN = ("(not set)", "(not provided)"), ("(data deleted)", "<other>")


def _clean(row: Row) -> dict[str, str | None]:
    event = {name: (row.get(name) or "").strip(" ").lower() or None for name in INPUTS}
    for name in ("referrer_host", "landing_host"):
        event[name] = (event[name] or "").rstrip(".").removeprefix("www.") or None
    return event


def _without_own(event: dict[str, str | None], own_host: str) -> dict[str, str | None]:
    own = {name for name, host in event.items() if host and f".{host}".endswith("." + own_host)}
    if event["referrer_host"] == event["landing_host"]:
        own.add("referrer_host")
    if event["medium"] == "(none)" or ("source" in own and event["medium"] == "referral"):
        own.add("medium")
    return {
        name: None if name in own & {"source", "medium", "referrer_host"} else event[name] for name in event
    }


def _channel_by_hand(row: Row, own_host: str) -> str:
    raw = _clean(row)
    if raw["source"] == "(direct)" and raw["medium"] in (None, "(none)", *_NEVER_SET):
        return "direct"
    event = {name: None if value in (*_NEVER_SET, *_HIDDEN) else value for name, value in raw.items()}
    event = _without_own(event, own_host)
    if not event["source"] and not event["medium"]:
        if event["click_id"] in _IDS:
            event.update(_IDS[event["click_id"] or ""])
        elif event["referrer_host"]:
            kind = _list_of(event["referrer_host"])
            medium = {"search": "organic", "ai_assistants": "ai-assistant"}.get(kind or "", "referral")
            event.update(source=event["referrer_host"], medium=medium)
        elif not event["click_id"] and not {raw["source"], raw["medium"]} & set(_HIDDEN):
            return "direct"
    event["source_list"] = _list_of(event["source"])
    return next((rule["channel"] for rule in _RULES if _holds(rule["when"], event)), "unassigned")


def _pieces(node: Any) -> Iterator[str]:
    """The texts of the rule table, so that random events come near its borders."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _pieces(value)
    elif isinstance(node, list):
        for value in node:
            yield from _pieces(value)
    elif not str(node).startswith("("):
        yield str(node)


_MARKS = ["(direct)", "(none)", "(not set)", "(not provided)", "(data deleted)", "<Other>", "", " "]
_LINES = [line.lstrip("!").replace("*", "co.uk") for lines in _LISTS.values() for line in lines]
_HOSTS = st.sampled_from([*_LINES, "shop.example", "partner.example", "evil.com"])
_PIECES = st.sampled_from(
    sorted(set(_pieces([rule["when"] for rule in _RULES])) - {"([^a-df-z]|^)shop|shopping"})
)
_AFFIX = st.sampled_from(["", "", "", "x", "e", "-", " ", ".", "m.", "www.", "not"])
_WORD = st.one_of(
    st.sampled_from(_MARKS),
    st.tuples(_AFFIX, st.one_of(_PIECES, _HOSTS, st.sampled_from(["shop", "cp", "ppc"])), _AFFIX).map(
        "".join
    ),
    st.text(alphabet="acehopsx-_. '%é", max_size=6),
)
_VALUE = st.one_of(st.none(), _WORD, _WORD.map(str.upper))
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "source": _VALUE,
            "medium": _VALUE,
            "campaign": _VALUE,
            "click_id": st.one_of(st.none(), st.none(), st.sampled_from([*_IDS, "GCLID", "zzclid", *_MARKS])),
            "referrer_host": st.one_of(st.none(), _VALUE),
            "landing_host": st.one_of(st.none(), st.none(), _HOSTS),
        }
    ),
    min_size=20,
    max_size=60,
)


@given(rows=_ROWS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_sql_agrees_with_an_independent_reading_of_the_table(rows: list[Row]) -> None:
    rules = ChannelRules(_GROUP.rules, ("shop.example",))
    wanted = [_channel_by_hand(row, "shop.example") for row in rows]
    assert list(zip(rows, _channels(rules, rows), strict=True)) == list(zip(rows, wanted, strict=True))


@given(row=_ROWS.map(lambda rows: rows[0]))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_explain_ends_with_the_channel_of_the_sql(row: Row) -> None:
    steps = explain(_GROUP, row)
    assert steps[-1].channel == _channel(**row)
    assert [step.is_matched for step in steps[1:]] == [False] * (len(steps) - 2) + [True]
    assert (steps[0].source, steps[0].medium, steps[0].origin) == _source(**row)


# --- addresses -------------------------------------------------------------------------------------------


def _address_sql(url: str) -> dict[str, str]:
    halves = split_url_sql(url)
    return {**parse_place_sql(f"({halves['place']})"), **parse_query_sql(f"({halves['query']})")}


def _parts(url: str | None) -> dict[str, str | None]:
    parts = ", ".join(f"'{name}': {sql}" for name, sql in _address_sql("url").items())
    with duckdb.connect() as engine:
        answer = engine.execute(
            f"select {{{parts}}} from (select cast($1 as varchar) as url)", [url]
        ).fetchone()
    return {name: value for name, value in (answer or ({},))[0].items() if value is not None}


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://shop.example/a/b?x=1#top", "shop.example", "/a/b"),
        ("HTTPS://WWW.Shop.Example:8443/A", "www.shop.example", "/A"),
        ("https://ann:secret@shop.example/", "shop.example", "/"),
        ("https://google.com@evil.example/", "evil.example", "/"),  # what is before @ is a user
        ("https://a@b@evil.example/", "evil.example", "/"),
        ("https://google.com\\@evil.example/", "google.com", "\\@evil.example/"),  # as browsers read it
        ("https://shop.example", "shop.example", "/"),
        ("https://shop.example?x=/y", "shop.example", "/"),
        ("https://shop.example#a/b", "shop.example", "/"),
        ("//shop.example/a", "shop.example", "/a"),
        ("shop.example/a", "shop.example", "/a"),
        ("shop.example.", "shop.example", "/"),
        ("localhost:8080/a", "localhost", "/a"),
        ("http://[2001:db8::1]:80/a", "[2001:db8::1]", "/a"),
        ("https://Bücher.example/caf%C3%A9+1", "bücher.example", "/café+1"),
        ("android-app://com.linkedin.android/", "com.linkedin.android", "/"),
        ("/only/path?x=1", None, "/only/path"),
        ("checkout/step", None, "checkout/step"),
        ("?x=1", None, None),
        ("mailto:ann@shop.example", None, None),
        ("about:blank", None, None),
        ("https:///a", None, "/a"),
        ("/bad%E4%zz", None, "/bad%E4%zz"),  # not UTF-8: kept as it is
        ("  https://shop.example/a  ", "shop.example", "/a"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_host_and_path_of_an_address(url: str | None, host: str | None, path: str | None) -> None:
    parts = _parts(url)
    assert (parts.get("host"), parts.get("path")) == (host, path)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?utm_source=crm&utm_medium=e-mail&utm_campaign=may", ("crm", "e-mail", "may")),
        ("?a=1&UTM_Source=Crm", ("Crm", None, None)),
        ("?utm_campaign=spring+sale%20%2B1", (None, None, "spring sale +1")),
        ("?utm_campaign=caf%C3%A9", (None, None, "café")),
        ("?utm_campaign=%E4+%zz", (None, None, "%E4 %zz")),
        ("?utm_source=&utm_medium=%20+", (None, None, None)),
        ("?utm_source=a&utm_source=b", ("a", None, None)),
        ("?a=1&amp;utm_source=a", ("a", None, None)),
        ("?my_utm_source=a&xutm_medium=b&utm_campaigns=c", (None, None, None)),
        ("?to=http://x/?utm_source=a", (None, None, None)),
        ("?to=http%3A//x/%3Futm_source=a", (None, None, None)),
        ("?utm_source=a%26utm_medium=b", ("a&utm_medium=b", None, None)),
        ("?utm_source=a=b", ("a=b", None, None)),
        ("#utm_source=a", (None, None, None)),
        ("#/?utm_source=a", (None, None, None)),
        ("?utm_source=a#b&utm_medium=c", ("a", None, None)),
        ("&utm_source=a", (None, None, None)),
        ("?utm_source='; drop table x; --", ("'; drop table x; --", None, None)),
    ],
)
def test_utm_parameters_of_an_address(query: str, found: tuple[str | None, ...]) -> None:
    for start in ("https://shop.example/p", "shop.example/p", "/p"):
        parts = _parts(start + query)
        assert tuple(parts.get(f"utm_{name}") for name in ("source", "medium", "campaign")) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?gclid=abc", "gclid"),
        ("?a=1&ScCid=abc", "sccid"),
        ("?gclid=", None),
        ("?gclid=&fbclid=x", "fbclid"),
        ("?fbclid=x&gclid=y", "fbclid"),
        ("?mygclid=x", None),
        ("?gclidx=x", None),
        ("?a=gclid=1", None),
        ("#gclid=x", None),
        ("?a=1#?gclid=x", None),
        ("?srsltid=x", "srsltid"),
        ("", None),
    ],
)
def test_click_id_of_an_address(query: str, found: str | None) -> None:
    assert _parts("https://shop.example/p" + query).get("click_id") == found


def test_an_address_gives_its_channel_in_one_query(tmp_path: Path) -> None:
    """How a mapping puts the two together."""
    url, referrer = _address_sql("url"), _address_sql("referrer")
    expressions = {
        "source": url["utm_source"],
        "medium": url["utm_medium"],
        "campaign": url["utm_campaign"],
        "click_id": url["click_id"],
        "referrer_host": referrer["host"],
        "landing_host": url["host"],
    }
    sql = f"select {channel_sql(_own(tmp_path, _OWN_HOSTS), expressions)} from visits order by n"
    with duckdb.connect() as engine:
        engine.execute("""
            create table visits as select * from (values
                (1, 'https://shop.example/?utm_source=crm&utm_medium=E-Mail', 'https://t.co/x'),
                (2, 'https://shop.example/?gclid=abc', 'https://www.google.com/'),
                (3, 'https://shop.example/', 'https://www.google.fr/search?q=utm_source'),
                (4, 'https://shop.example/b', 'https://shop.example/a'),
                (5, 'https://shop.example/b', null)
            ) v(n, url, referrer)
        """)
        found = [channel for (channel,) in engine.execute(sql).fetchall()]
    assert found == ["email", "paid_search", "organic_search", "direct", "direct"]
