"""The channel of an event: rules over its source, medium, campaign, click id and referrer, as DuckDB SQL.

Belongs here: the rule table (GA4's default channel group, a project's own rules in front of it), the lists
of known sources, and the SQL and the explanation made from them. Does not belong here: where an event's
source and medium come from in a file (mapping.py), and when a delivered channel is kept instead (load.py).

How an event gets its channel:

    1. its effective source and medium: what it was tagged with, else what its click id stands for, else its
       referrer when that is another site, else (direct) / (none);
    2. the first rule that takes it, else `unassigned`.

Some sources write a mark where they removed or never had a value. `(not set)` and `(not provided)` are
missing values. `(data deleted)` and `<Other>` hide one: they are missing too, but an event that has nothing
else is not direct. A source that is one of the project's own hosts is missing, and so is its `referral`.
"""
