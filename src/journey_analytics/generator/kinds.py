"""The kinds of event the shop's systems record: the code of each, which system records it, and its stage.

The stages are those the project's stages.yaml gives; they stand here too, so that what was planted can be
counted without it.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCES = ("web", "orders", "email", "support", "survey", "referral")


@dataclass(frozen=True)
class Kind:
    """A kind of event. Stage None: an internal event, which is no touchpoint."""

    name: str
    source: str
    stage: str | None


KINDS = (
    Kind("session_start", "web", "awareness"),
    Kind("page_view", "web", "interest"),
    Kind("search", "web", "interest"),
    Kind("newsletter_signup", "web", "interest"),
    Kind("product_view", "web", "consideration"),
    Kind("wishlist_add", "web", "consideration"),
    Kind("add_to_cart", "web", "consideration"),
    Kind("checkout_started", "web", "consideration"),
    Kind("payment_failed", "web", "consideration"),
    Kind("account_created", "web", "consideration"),
    Kind("login", "web", "usage"),
    Kind("order_placed", "orders", "purchase"),
    Kind("order_shipped", "orders", "usage"),
    Kind("order_delivered", "orders", "usage"),
    Kind("order_returned", "orders", "usage"),
    Kind("email_sent", "email", "awareness"),
    Kind("email_opened", "email", "interest"),
    Kind("email_clicked", "email", "interest"),
    Kind("profile_linked", "email", None),
    Kind("ticket_opened", "support", "usage"),
    Kind("ticket_resolved", "support", "usage"),
    Kind("nps", "survey", "usage"),
    Kind("csat", "survey", "usage"),
    Kind("rating", "survey", "advocacy"),
    Kind("friend_invited", "referral", "advocacy"),
    Kind("friend_joined", "referral", "advocacy"),
)
CODES = {kind.name: code for code, kind in enumerate(KINDS)}

LOYAL_ORDER_STAGE = "loyalty"
"""The stage of every order of a customer after the first."""
HELP_PAGE_STAGE = "usage"
"""The stage of a page view on a help page."""
PROMOTER_STAGE = "advocacy"
PROMOTER_SCORE = 9
"""The stage of an nps answer from this score on."""
