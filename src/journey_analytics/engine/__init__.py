"""Runs the files under sql/. The only room that talks to a database engine about models.

Belongs here: finding and ordering the models, connecting, binding parameters, and the engine's own words
when a model fails. Does not belong here: what a model means.
"""
