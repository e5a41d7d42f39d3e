"""Faults: what is left of a project when the process dies, the disk fills up or breaks, at any moment.

    python -m tests.faults                 every fault, as a table
    python -m tests.faults sweep full_disk    those named

Each try begins with a published set of marts and new events beside it. After the fault the live marts must
be the old set or the new one, byte for byte, and the next run must publish what an undisturbed run publishes,
without a hand. What is live is found by following the pointer and hashing the files, without the product.

Belongs here: making faults and counting what came of them. Does not belong here: tests of single functions.
"""
