"""The sections of the drop-off report, a module each: what it asks of the marts, and the answer in words.

Belongs here: choosing rows and wording a finding. Does not belong here: computing measures (sql/marts), or
how a section looks (templates).
"""
