"""Reports: what people look at, made from the published marts alone.

Belongs here: choosing, wording and drawing numbers. Does not belong here: computing them (sql/marts).
"""
