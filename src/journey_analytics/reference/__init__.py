"""Reference pages, made from what they describe: contracts, the keys of project files, the commands.

Belongs here: turning those into Markdown and SQL, the same text every time.
Does not belong here: the descriptions themselves, which stand beside what they describe.
"""
