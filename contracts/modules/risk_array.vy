# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The risk array: which rows a book is priced in, and the worst of them
@license AGPL-3.0-only
@notice docs/spec/portfolio-margin.md. Nodes under a shock up and a shock down, extremes without a
        shock; chosen once, at deployment.
@custom:source docs/spec/portfolio-margin.md#array
@custom:kill not deployable
"""

from interfaces import IPortfolioMargin
from libs import binary_math
from libs import errors
from libs import fixed_point
from libs import option_book
from libs import scenarios
from libs import units as u

MIN_NODES: constant(uint256) = 3
MAX_NODES: constant(uint256) = 9
MAX_EXTREMES: constant(uint256) = 8
# nodes, then extremes
MOVES: constant(uint256) = MAX_NODES + MAX_EXTREMES
# rows of nodes: under the shock up, then down
SIDES: constant(uint256) = 2 * MAX_NODES
# rows without a shock: the mark, then the extremes
BASES: constant(uint256) = 1 + MAX_EXTREMES
ROWS: constant(uint256) = SIDES + MAX_EXTREMES
GROUPS: constant(uint256) = 4
# in-code bounds of the array
MAX_EXTREME: constant(int256) = 40 * u.IWAD
MAX_UP: constant(uint256) = 2 * u.WAD
MAX_DOWN: constant(uint256) = 9 * u.WAD // 10
MAX_RHO: constant(uint256) = 6 * u.WAD // 10
ONE: constant(int256) = 2**64
# as scenarios rounds a move, and the least one
RATE_ONE: constant(int256) = scenarios.RATE_ONE
RATE_UP: constant(int256) = scenarios.RATE_ONE - 1
LEAST_MOVE: constant(int256) = scenarios.LEAST - scenarios.ONE
# where a surface word has market and expiry
KEY_AT: constant(uint256) = 2**224
# a gap is in 2^-90 WAD: moves of 2^-64, sums of 2^-24, and a quarter
GAP_UP: constant(int256) = 2**90 - 1

NODE_COUNT: immutable(uint256)
EXTREME_COUNT: immutable(uint256)
NODES: immutable(int256[MOVES])  # 2^-64 of the range
WEIGHTS: immutable(int256[MAX_EXTREMES])  # WAD, like the rest
SHOCK_UP: immutable(int256)
SHOCK_DOWN: immutable(int256)
RHOS: immutable(uint256[GROUPS])


struct Sums:  # of |size| F N(d1) in upper halves and |size| K N(d2) in lower ones [2^-24 WAD]
    book: option_book.Book
    nodes: int256[2 * SIDES]    # of long options, then of short ones
    base: int256[2 * BASES]     # of long options, then of short ones


struct Rows:  # [WAD]
    losses: int256[ROWS]
    gaps: int256[SIDES]         # at the lower of two neighbours
    mark: int256                # of the options as calls
    delta: int256               # the options as calls: size F N(d1)
    worst: int256               # of this market alone


struct Ladder:
    moves: int256[MOVES]                        # of nodes and extremes [2^-64]
    logs: DynArray[int256, MAX_NODES]           # ln of a price over P, of nodes [2^-64]
    far: DynArray[int256, BASES]                # 0 for the mark, then of extremes
    reach: option_book.Reach


@deploy
def __init__(array: IPortfolioMargin.RiskArray):
    """
    @custom:reverts "portfolio: out of range"
    """
    self._require_sound(array)
    NODE_COUNT = len(array.nodes)
    EXTREME_COUNT = len(array.extremes)
    nodes: int256[MOVES] = empty(int256[MOVES])
    for i: uint256 in range(len(array.nodes), bound=MAX_NODES):
        # at most 1 WAD
        nodes[i] = unsafe_div(unsafe_mul(array.nodes[i], ONE), u.IWAD)
    weights: int256[MAX_EXTREMES] = empty(int256[MAX_EXTREMES])
    for i: uint256 in range(len(array.extremes), bound=MAX_EXTREMES):
        # at most 40 WAD
        nodes[MAX_NODES + i] = unsafe_div(unsafe_mul(array.extremes[i], ONE), u.IWAD)
        weights[i] = convert(array.weights[i], int256)
    NODES = nodes
    WEIGHTS = weights
    SHOCK_UP = convert(array.up, int256)
    SHOCK_DOWN = convert(array.down, int256)
    RHOS = array.rhos


@internal
@view
def _offset(together: uint256, apart: uint256, group: uint256) -> uint256:
    """
    @param together [WAD] the worst of all markets of the group, at most `apart`
    @param apart [WAD] the sum of what is the worst for each
    @return [WAD] what a group's markets require together
    @custom:rounding up
    """
    return apart - (apart - together) * RHOS[group] // u.WAD


@internal
@view
def _ladder(width: uint256) -> Ladder:
    """
    @notice What `_moves`, `_node_logs`, `_base_logs` and `_reach` say, in one go and with
            scenarios' `_move` and `_log_of_move` written out.
    """
    ladder: Ladder = empty(Ladder)
    wide: int256 = convert(convert(width, bytes32), int256)
    away: int256 = 0
    for i: uint256 in range(NODE_COUNT, bound=MAX_NODES):
        # nodes are within 2^64 and a width is below 2^33; a move is above -1, its log below 2^68
        move: int256 = unsafe_mul(NODES[i], wide)
        away = 0
        if move < 0:
            move = max(unsafe_div(unsafe_sub(move, RATE_UP), RATE_ONE), LEAST_MOVE)
        elif move != 0:
            move = unsafe_div(unsafe_add(move, RATE_UP), RATE_ONE)
        if move != 0:
            ladder.moves[i] = move
            away = binary_math._ln(convert(convert(unsafe_add(ONE, move), bytes32), uint256))
        ladder.logs.append(away)
    ladder.reach.nodes = max(unsafe_sub(0, ladder.logs[0]), away)
    ladder.far.append(0)
    for i: uint256 in range(MAX_NODES, unsafe_add(MAX_NODES, EXTREME_COUNT), bound=MAX_EXTREMES):
        # as above
        move: int256 = scenarios._move(NODES[i], width)
        ladder.moves[i] = move
        away = scenarios._log_of_move(move)
        ladder.far.append(away)
        ladder.reach.base = max(ladder.reach.base, max(away, unsafe_sub(0, away)))
    return ladder


@internal
@view
def _expiry(surfaces: DynArray[uint256, 16], key: uint256, price: uint256) -> scenarios.Expiry:
    """
    @param surfaces one word an expiry
    @param key market and expiry, as a surface word has them on top
    @return what the options of an expiry share under the array's shocks
    """
    for surface: uint256 in surfaces:
        if surface // KEY_AT == key:
            return scenarios._expiry(surface, price, SHOCK_UP, SHOCK_DOWN)
    return scenarios._without_surface(key, price)


@internal
@view
def _moves(width: uint256) -> int256[MOVES]:
    """
    @return [2^-64] the price moves of nodes and extremes
    """
    moves: int256[MOVES] = empty(int256[MOVES])
    for i: uint256 in range(NODE_COUNT, bound=MAX_NODES):
        moves[i] = scenarios._move(NODES[i], width)
    for i: uint256 in range(EXTREME_COUNT, bound=MAX_EXTREMES):
        moves[MAX_NODES + i] = scenarios._move(NODES[MAX_NODES + i], width)
    return moves


@internal
@view
def _node_logs(moves: int256[MOVES]) -> DynArray[int256, MAX_NODES]:
    logs: DynArray[int256, MAX_NODES] = []
    for i: uint256 in range(NODE_COUNT, bound=MAX_NODES):
        logs.append(scenarios._log_of_move(moves[i]))
    return logs


@internal
@view
def _base_logs(moves: int256[MOVES]) -> DynArray[int256, BASES]:
    """
    @return 0 for the mark, then the extremes
    """
    logs: DynArray[int256, BASES] = [0]
    for i: uint256 in range(EXTREME_COUNT, bound=MAX_EXTREMES):
        logs.append(scenarios._log_of_move(moves[MAX_NODES + i]))
    return logs


@internal
@view
def _reach(logs: DynArray[int256, MAX_NODES], far: DynArray[int256, BASES]) -> option_book.Reach:
    # the first node is below the price and the last above; logarithms are below 2^68
    reach: option_book.Reach = empty(option_book.Reach)
    reach.nodes = max(unsafe_sub(0, logs[0]), logs[NODE_COUNT - 1])
    for away: int256 in far:
        if away > reach.base:
            reach.base = away
        elif unsafe_sub(0, away) > reach.base:
            reach.base = unsafe_sub(0, away)
    return reach


@internal
@view
def _rows(sums: Sums, moves: int256[MOVES]) -> Rows:
    """
    @notice What each row loses, what may be lost between neighbours besides, and the worst.
    @custom:rounding losses and gaps up
    """
    rows: Rows = empty(Rows)
    # halves of sums are below 2^127
    base: int256 = unsafe_sub(sums.base[0], sums.base[BASES])
    mark: int256 = option_book._after(base, 0)
    linear: int256 = sums.book.linear
    worst: int256 = 0
    at: uint256 = 0
    for count: uint256 in [NODE_COUNT, NODE_COUNT]:
        last: int256 = 0
        before: int256 = min_value(int256)
        longs: int256 = max_value(int256)
        for i: uint256 in range(count, bound=MAX_NODES):
            # values are below 2^136, moves below 2^68, halves of sums below 2^127; nodes rise
            move: int256 = moves[i]
            long: int256 = sums.nodes[at]
            word: int256 = unsafe_sub(long, sums.nodes[unsafe_add(at, SIDES)])
            # what `_after` is
            cost: int256 = (word << 128) >> 128
            gain: int256 = unsafe_mul(unsafe_sub(word, cost) >> 128, unsafe_add(ONE, move)) >> 64
            loss: int256 = unsafe_sub(
                unsafe_sub(mark, unsafe_sub(gain, cost) >> 24), unsafe_mul(linear, move) >> 64
            )
            cell: int256 = loss
            if before > loss:
                cell = before
            if long >> 128 > longs:
                gap: int256 = unsafe_mul(unsafe_sub(long >> 128, longs), unsafe_sub(move, last))
                gap = unsafe_add(gap, GAP_UP) >> 90
                rows.gaps[unsafe_sub(at, 1)] = gap
                cell = unsafe_add(cell, gap)
            if cell > worst:
                worst = cell
            rows.losses[at] = loss
            last = move
            before = loss
            longs = long >> 128
            at = unsafe_add(at, 1)
        at = MAX_NODES
    for i: uint256 in range(EXTREME_COUNT, bound=MAX_EXTREMES):
        word: int256 = unsafe_sub(sums.base[i + 1], sums.base[BASES + i + 1])
        loss: int256 = self._extreme(word, mark, linear, moves[MAX_NODES + i], WEIGHTS[i])
        rows.losses[SIDES + i] = loss
        worst = max(worst, loss)
    rows.mark = mark
    rows.delta = option_book._delta(base)
    rows.worst = worst
    return rows


@internal
@pure
def _extreme(
    word: int256, mark: int256, linear: int256, move: int256, weight: int256
) -> int256:
    """
    @return [WAD] what an extreme row loses, times its weight
    @custom:rounding up
    """
    # as in _rows; a weight is below 2^60
    gain: int256 = unsafe_add(
        unsafe_sub(option_book._after(word, move), mark), unsafe_mul(linear, move) >> 64
    )
    return -fixed_point._floor_div(unsafe_mul(gain, weight), u.IWAD)


@internal
@view
def _worst(rows: Rows) -> uint256:
    """
    @return [WAD] the most that is lost at a row or between two neighbours, or 0
    """
    most: int256 = 0
    for first: uint256 in [0, MAX_NODES]:
        # losses and gaps of eight markets are below 2^140
        at: uint256 = first
        for i: uint256 in range(NODE_COUNT - 1, bound=MAX_NODES):
            pair: int256 = max(rows.losses[at], rows.losses[unsafe_add(at, 1)])
            most = max(most, unsafe_add(pair, rows.gaps[at]))
            at = unsafe_add(at, 1)
    for i: uint256 in range(EXTREME_COUNT, bound=MAX_EXTREMES):
        most = max(most, rows.losses[SIDES + i])
    return convert(most, uint256)


@internal
@pure
def _added(left: Rows, right: Rows) -> Rows:
    """
    @return the rows of both together; of the worst only what `_worst` says
    """
    both: Rows = left
    for i: uint256 in range(ROWS):
        both.losses[i] += right.losses[i]
    for i: uint256 in range(SIDES):
        both.gaps[i] += right.gaps[i]
    return both


@internal
@pure
def _require_sound(array: IPortfolioMargin.RiskArray):
    """
    @custom:reverts "portfolio: out of range"
    """
    count: uint256 = len(array.nodes)
    sound: bool = count >= MIN_NODES and len(array.extremes) == len(array.weights)
    if count != 0:
        sound = sound and array.nodes[0] == -u.IWAD and array.nodes[count - 1] == u.IWAD
    still: bool = False
    for i: uint256 in range(count, bound=MAX_NODES):
        still = still or array.nodes[i] == 0
        if i != 0 and array.nodes[i] <= array.nodes[i - 1]:
            sound = False
    for node: int256 in array.extremes:
        sound = sound and -MAX_EXTREME <= node and node <= MAX_EXTREME
    for weight: uint256 in array.weights:
        sound = sound and weight <= u.WAD
    for rho: uint256 in array.rhos:
        sound = sound and rho <= MAX_RHO
    if not (sound and still and array.up <= MAX_UP and array.down <= MAX_DOWN):
        errors._fail("portfolio: out of range")
