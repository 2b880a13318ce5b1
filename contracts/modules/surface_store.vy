# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Stored surfaces: one word an expiry, in order, and the jumps that wait
@license AGPL-3.0-only
@notice docs/spec/surfaces.md#update. A surface that is not stored never stands in the way of the
        others of its report, but for neighbours that contradict it.
@custom:kill not deployable
"""

from interfaces import ISurfaces
from libs import errors
from libs import scenarios
from libs import surface_packing
from libs import surface_rules

MAX_WORDS: constant(uint256) = 16
MAX_EXPIRIES: constant(uint256) = 16
# a turn moves up a place or takes one of sixteen words out, and then down by at most fifteen
MAX_TURNS: constant(uint256) = 16 + 16 * 16


struct Ladder:
    hours: DynArray[uint256, MAX_EXPIRIES]  # of expiries to come, ascending
    fresh: uint256[MAX_EXPIRIES]            # what the report says of them; 0: nothing
    known: bool[MAX_EXPIRIES]               # whether something is stored
    moved: bool[MAX_EXPIRIES]               # whether what the report says is another smile


# by key; of expiries that are over the last one stays
_words: HashMap[uint256, uint256]
# by key; it counts while it is newer than the stored one
_pendings: HashMap[uint256, uint256]
# by market: the expiries that have a surface
_lists: HashMap[uint256, uint256]


@internal
def _take(words: DynArray[uint256, MAX_WORDS]) -> uint256:
    """
    @param words of a report, keys ascending
    @return how many were stored
    @custom:reverts "surfaces: order"
    """
    stored: uint256 = 0
    market: uint256 = 0
    last: uint256 = 0
    ladder: Ladder = empty(Ladder)
    for word: uint256 in words:
        key: uint256 = word // surface_packing.KEY_AT
        if key <= last:
            errors._fail("surfaces: order")
        last = key
        if key // surface_packing.KEY_MARKET_AT != market:
            stored += self._store(market, self._ordered(market, ladder))
            market = key // surface_packing.KEY_MARKET_AT
            ladder = self._ladder(market)
        same: bool = surface_rules._same_smile(word, self._words[key])
        if self._admitted(key, word, same):
            ladder = self._with(ladder, key & surface_packing.HOURS_MASK, word, same)
    return stored + self._store(market, self._ordered(market, ladder))


# ---- read ----------------------------------------------------------------------------------------


@internal
@view
def _surfaces(market: uint256) -> DynArray[uint256, MAX_EXPIRIES]:
    """
    @return the words of all expiries to come, the nearest first
    """
    found: DynArray[uint256, MAX_EXPIRIES] = []
    expiries: DynArray[uint256, MAX_EXPIRIES] = surface_packing._live(self._lists[market])
    for hours: uint256 in expiries:
        found.append(self._words[surface_packing._key(market, hours)])
    return found


@internal
@view
def _pending(key: uint256) -> uint256:
    """
    @return the surface that waits for its confirmation, 0 for none
    """
    waiting: uint256 = self._pendings[key]
    if surface_packing._publish(waiting) <= surface_packing._publish(self._words[key]):
        return 0
    return waiting


@internal
@view
def _trusted(key: uint256) -> bool:
    word: uint256 = self._words[key]
    publish: uint256 = surface_packing._publish(word)
    if block.timestamp > publish + scenarios.SURFACE_FRESH:
        return False
    return block.timestamp < surface_packing._expires(key) and self._pending(key) == 0


# ---- one surface ---------------------------------------------------------------------------------


@internal
def _admitted(key: uint256, word: uint256, same: bool) -> bool:
    """
    @param same whether its smile is the stored one's
    @return whether a surface is newer than the stored one, sound, and no unconfirmed jump
    """
    stored: uint256 = self._words[key]
    if surface_packing._publish(word) <= surface_packing._publish(stored):
        return False
    why: uint256 = surface_rules._fault(word, same)
    if why != 0:
        log ISurfaces.SurfaceRefused(word=word, why=why)
        return False
    return stored == 0 or self._confirmed(key, word, stored)


@internal
def _confirmed(key: uint256, word: uint256, stored: uint256) -> bool:
    """
    @notice Inside both bands, which grow with time, a surface is like any other; outside it
            confirms the pending one, is ignored, or waits itself.
    """
    publish: uint256 = surface_packing._publish(word)
    before: uint256 = surface_packing._publish(stored)
    volatility: bool = False
    ratio: bool = False
    volatility, ratio = surface_rules._jumps(word, stored, publish - before)
    if not volatility and not ratio:
        return True
    waiting: uint256 = self._pendings[key]
    since: uint256 = surface_packing._publish(waiting)
    if since > before:
        if publish < since + surface_rules.CONFIRM_DELAY:
            return False
        if surface_rules._confirms(word, waiting, stored):
            return True

    self._pendings[key] = word
    log ISurfaces.SurfacePending(word=word)
    return False


# ---- all of a market -----------------------------------------------------------------------------


@internal
@view
def _ladder(market: uint256) -> Ladder:
    """
    @return the expiries to come of a market, of which nothing is said yet
    """
    ladder: Ladder = empty(Ladder)
    ladder.hours = surface_packing._live(self._lists[market])
    for i: uint256 in range(len(ladder.hours), bound=MAX_EXPIRIES):
        ladder.known[i] = True
    return ladder


@internal
def _with(ladder: Ladder, hours: uint256, word: uint256, same: bool) -> Ladder:
    """
    @return the ladder with what the report says of an expiry, at its place
    """
    changed: Ladder = ladder
    count: uint256 = len(ladder.hours)
    place: uint256 = count
    for i: uint256 in range(count, bound=MAX_EXPIRIES):
        if ladder.hours[i] >= hours:
            place = i
            break
    if place == count or ladder.hours[place] != hours:
        if count == MAX_EXPIRIES:
            log ISurfaces.SurfaceRefused(word=word, why=surface_rules.ROOM)
            return ladder
        changed.hours.append(hours)
        for i: uint256 in range(place, count, bound=MAX_EXPIRIES):
            changed.hours[i + 1] = ladder.hours[i]
            changed.fresh[i + 1] = ladder.fresh[i]
            changed.known[i + 1] = ladder.known[i]
            changed.moved[i + 1] = ladder.moved[i]
        changed.hours[place] = hours
        changed.known[place] = False
    changed.fresh[place] = word
    changed.moved[place] = not same
    return changed


@internal
def _ordered(market: uint256, ladder: Ladder) -> Ladder:
    """
    @notice Hold every new smile against its neighbours, new ones first. Of two new ones that
            contradict each other the earlier goes if it contradicts what stood in the later one's
            place too, else the later.
    @return the ladder without what is out of order
    """
    kept: Ladder = ladder
    i: uint256 = 0
    for _: uint256 in range(MAX_TURNS):
        if i >= len(kept.hours):
            break
        j: uint256 = self._below(kept, i)
        here: bool = kept.fresh[i] != 0 or kept.known[i]
        if not here or j == i or not (kept.moved[i] or kept.moved[j]):
            i += 1
            continue
        low: uint256 = self._word(market, kept.hours[j], kept.fresh[j])
        if surface_rules._fits(self._word(market, kept.hours[i], kept.fresh[i]), low):
            i += 1
            continue

        later: bool = not kept.moved[j]
        if kept.moved[i] and kept.moved[j]:
            later = not kept.known[i] or surface_rules._fits(
                self._word(market, kept.hours[i], 0), low
            )
        if not later:
            i = j
        log ISurfaces.SurfaceRefused(word=kept.fresh[i], why=surface_rules.CALENDAR)
        kept.fresh[i] = 0
        kept.moved[i] = False
    return kept


@internal
@pure
def _below(ladder: Ladder, place: uint256) -> uint256:
    """
    @return the nearest place below at which there is a surface; the place itself for none
    """
    for i: uint256 in range(place, bound=MAX_EXPIRIES):
        j: uint256 = place - 1 - i
        if ladder.fresh[j] != 0 or ladder.known[j]:
            return j
    return place


@internal
@view
def _word(market: uint256, hours: uint256, fresh: uint256) -> uint256:
    if fresh != 0:
        return fresh
    return self._words[surface_packing._key(market, hours)]


@internal
def _store(market: uint256, ladder: Ladder) -> uint256:
    """
    @return how many surfaces were stored
    """
    stored: uint256 = 0
    listed: DynArray[uint256, MAX_EXPIRIES] = []
    grown: bool = False
    for i: uint256 in range(len(ladder.hours), bound=MAX_EXPIRIES):
        word: uint256 = ladder.fresh[i]
        if word == 0 and not ladder.known[i]:
            continue
        listed.append(ladder.hours[i])
        if word == 0:
            continue
        self._words[surface_packing._key(market, ladder.hours[i])] = word
        log ISurfaces.SurfaceStored(word=word)
        stored += 1
        grown = grown or not ladder.known[i]
    if grown:
        self._lists[market] = surface_packing._list(listed)
    return stored
