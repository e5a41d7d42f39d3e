"""Funnels over any events, by a written rule book.

The rules below are all there is: a slow reader can be written from them alone, and the tests have one.

**Events.** A customer's event is a time in whole microseconds, the set of steps it can fill (none, one or
several: a step is an event name, a list of names, or a condition), the exclusions it is, and the value of the
break-down. Steps count from 1. Events without a customer, and those without a time, are left out and counted.
Nothing depends on the order in which events come in.

**Chain.** A chain fills steps with events of one customer:

1. It fills step 1, then further steps in rising order. Only optional steps may be left out on the way.
2. One event fills at most one step. A funnel that names an event twice needs two events.
3. Times never fall along the chain. Events of one time may be taken in any order.
4. From its first event to its last at most `window` passes, and to the event of a step with a window of its
   own at most that from the event before it in the chain. Windows include their end. They are lengths of
   time: a day is 24 hours, also when clocks change.
5. `strict`: no event of the customer, of whatever kind, lies between two neighbours of the chain. Between
   means at a time after the one and before the other, so events that share their time with either never break
   it.

**The customer's chain.** Of all chains of a customer the one that counts is the first by these, in turn:

1. the furthest step is the highest;
2. its last event is the earliest;
3. optional steps are filled: step 2 rather than not, then step 3 rather than not, and so on;
4. its first event is the latest, so of two entries with one outcome the nearer one counts;
5. step 2 is filled as early as possible, then step 3, and so on;
6. where several events of one time could fill a step: step 1 gets the first of them that leaves the rest of
   the chain possible, then step 2, and so on. First is the one with the lower break-down value as text, then
   the one whose highest mark is lower, where the steps an event can fill are marks in their order, the
   exclusions it is are higher marks in theirs, and equal highest marks leave it to the next lower one.

**Exclusions** `(event, from_step, to_step)` are looked at last, on the chain that counts. They apply when it
got as far as `from_step`. Forbidden is the time after the event of `from_step` and before the event of
`to_step`; or, when the chain ends short of `to_step`, up to the end of the window, included. (For a step that
was left out the event before it stands in at the start, the event after it at the end.) A customer with an
excluded event in that time is not in the funnel at all.

**Unordered.** All events of the chain lie within one window, each fills another step, and any may be first.
The chain of the customer fills the most steps; of those it completes the earliest, and then starts the
latest. Its k-th event is the one with which, going through that stretch in the order of rule 6 within a time,
k steps can first be filled at once. A customer with k events in the chain has reached "step" 1 to k,
whichever they are. Exclusions count in the same way, and a customer with one in between stays at step 1. No
step blocks another here, so `optional` changes nothing, and windows of single steps are refused.

**Counts.** `reached` of a step is the customers whose chain fills it; `dropped` those whose chain ends with
it (nobody drops off the last step). `conversion_rate` is of step 1, `step_conversion_rate` of the nearest
step before that is not optional.

**Break-down.** The chain is found first, over all events; its group is read off afterwards, so that a
break-down changes no chain. `first_touch`: the value of its first event. `last_touch`: of its last. `step`:
of the event that fills `attribution_step`, `unknown` when none does. `all_steps`: the value that all its
events share, `mixed` when they differ. A missing value is `unknown`. Every customer in the funnel is in one
group, so groups sum to the total.
"""

from journey_analytics.funnels.funnel import funnel
from journey_analytics.funnels.result import FunnelResult

__all__ = ["FunnelResult", "funnel"]
