"""The generator: a shop that never was, as raw files, a project that runs on them, and the truth about them.

Belongs here: how made-up customers behave, and what a shop's systems would export of it.
Does not belong here: reading files or computing marts; nothing of this room is used by a run.

    behaviour.py        tables of rates by persona, channel and device (behaviour.yaml), and what they give
    calendar.py         days, hours and seasons: where in the period a visit falls
    site.py             its pages
    people.py           who they are: persona, devices, how often they come
    world.py            all of these together, and the draws
    incidents.py        what goes wrong for some days, as a file declares it
    effects.py          what that does to visits
    kinds.py            the kinds of event, the system that records each, and its stage
    visits.py           one row per visit: when, by which channel, on which device
    cookies.py          by which cookie the web knows it
    outcomes.py         what came of each visit: steps on the site, orders, what follows an order
    events.py           visits to exactly as many events as were asked for
    deliveries.py       on which day each event arrives, late ones and copies
    exports.py          one frame per system and day, as that system writes it
    truth.py            what was planted, counted from the same arrays and by no pipeline
    files.py            the files of a day and system
    project_writer.py   the project that runs on them
    shop.py             the steps in their order

The same arguments give the same bytes under the same versions of numpy, polars, pyarrow and zlib: every draw
comes from a PCG64 generator seeded by the seed and the purpose of the draw (`World.draws`), nothing is drawn
in a thread, and a file's rows and their order do not depend on which thread writes it.
"""
