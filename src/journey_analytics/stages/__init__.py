"""Stage models and stage rules: read, check and compile the rules that give each touchpoint its stage.

Belongs here: the rule language and what it means. Does not belong here: running SQL (engine) or measuring
what stages lead to (journeys, funnel).
"""
