# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Surfaces: volatility and forward of every expiry, and what options are worth by them
@license AGPL-3.0-only
@notice docs/spec/surfaces.md. Anyone brings surfaces that a quorum of the price signers has signed
        together; the owner says what may be opened. It asks Markets who the signers are, and the
        RiskConfigurator for a margin when bounds are set: static calls. Nobody else is called, so
        nothing can enter it half-way, and its functions need no lock.
@custom:kill no switch: without a fresh surface nothing opens; a market ends by its bounds
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from interfaces import IMarkets
from interfaces import IRiskConfigurator
from interfaces import ISurfaces
from libs import black76
from libs import errors
from libs import normal_cdf
from libs import surface_packing
from libs import surface_rules
from libs import units as u
from modules import surface_marks
from modules import surface_reports
from modules import surface_store

implements: ISurfaces

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: normal_cdf
initializes: black76[normal_cdf := normal_cdf]
initializes: surface_reports
initializes: surface_store
initializes: surface_marks[black76 := black76, surface_store := surface_store]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

# the error of a price is promised up to here, docs/spec/options.md#black76
MOST_WIDE: constant(uint256) = 10
LEAST_WIDE: constant(uint256) = 2
LEAST_FURTHEST: constant(uint256) = u.DAY
LEAST_BAND: constant(uint256) = u.WAD // 1_000

# by market, zero where nothing opens
_bounds: HashMap[uint256, uint256]


@deploy
def __init__(markets_: address):
    """
    @param markets_ the Markets whose signers and quorum these are; it stands already
    """
    ownable.__init__()
    ownable_2step.__init__()
    normal_cdf.__init__()
    surface_reports.__init__(markets_)


@external
@reentrant
def update(report: Bytes[surface_reports.MAX_REPORT]) -> uint256:
    """
    @notice Store the surfaces of a report that pass every check; what does not pass is not stored,
            and an event says why.
    @param report packed as docs/spec/surfaces.md#report
    @return how many were stored; 0 for a replay
    @custom:reverts "surfaces: …" for a report that no honest quorum signed
    """
    return surface_store._take(surface_reports._words(report))


@external
def set_bounds(market: uint256, bounds: ISurfaces.Bounds):
    """
    @notice Say what may be opened. What is open already stays, and its surfaces go on.
    @param bounds the rest counts for nothing unless enabled
    @custom:reverts "surfaces: unknown market", "surfaces: out of range", "surfaces: band too wide"
    """
    ownable._check_owner()
    if market == 0 or market > staticcall surface_reports.MARKETS.market_count():
        errors._fail("surfaces: unknown market")
    word: uint256 = 0
    if bounds.enabled:
        self._require_range(market, bounds)
        word = surface_packing._bounds_word(bounds.furthest, bounds.widest, bounds.band)

    log ISurfaces.BoundsSet(market=market, old=self._bounds_of(market), new=bounds)
    self._bounds[market] = word


@external
@view
@reentrant
def surface(market: uint256, expiry_hours: uint256) -> uint256:
    """
    @return the stored word, of an expiry that is over too; 0 for none
    """
    return surface_store._words[surface_packing._key(market, expiry_hours)]


@external
@view
@reentrant
def surfaces(market: uint256) -> DynArray[uint256, surface_store.MAX_EXPIRIES]:
    """
    @return the words of all expiries to come, the nearest first
    """
    return surface_store._surfaces(market)


@external
@view
@reentrant
def surfaces_at(
    keys: DynArray[uint256, surface_store.MAX_EXPIRIES]
) -> DynArray[uint256, surface_store.MAX_EXPIRIES]:
    """
    @param keys `market 8 @24 | hours 24 @0`
    @return the stored words, 0 for none
    """
    found: DynArray[uint256, surface_store.MAX_EXPIRIES] = []
    for key: uint256 in keys:
        found.append(surface_store._words[key])
    return found


@external
@view
@reentrant
def pending(market: uint256, expiry_hours: uint256) -> uint256:
    """
    @return the word that waits for its confirmation, 0 for none
    """
    return surface_store._pending(surface_packing._key(market, expiry_hours))


@external
@view
@reentrant
def surface_trusted(market: uint256, expiry_hours: uint256) -> bool:
    """
    @return whether what opens may rely on the surface: fresh, confirmed, its expiry to come
    """
    return surface_store._trusted(surface_packing._key(market, expiry_hours))


@external
@view
@reentrant
def marks(
    market: uint256, price: uint256, legs: DynArray[uint256, surface_marks.LEG_WORDS]
) -> DynArray[uint256, surface_marks.MAX_ENTRIES]:
    """
    @param price [ticks, below 2^63] of the market
    @param legs two a word, as stored: canonical
    @return [ticks] what one unit of each entry is worth, the low half's first; 0 for empty ones,
            perps and other markets
    @custom:rounding down, but never below the intrinsic value
    """
    return surface_marks._marks(market, price, legs)


@external
@view
@reentrant
def bounds(market: uint256) -> (uint256, uint256, uint256):
    """
    @return furthest [s], widest [whole], band [WAD]; zeros where nothing opens
    """
    return surface_packing._bounds_fields(self._bounds[market])


@external
@view
@reentrant
def markets() -> address:
    return surface_reports.MARKETS.address


@internal
@view
def _require_range(market: uint256, bounds: ISurfaces.Bounds):
    """
    @notice Rules R7: what a fill on the Exchange may cost stays within the maintenance margin.
    """
    if bounds.furthest < LEAST_FURTHEST or bounds.furthest > surface_rules.FURTHEST:
        errors._fail("surfaces: out of range")
    if bounds.widest < LEAST_WIDE or bounds.widest > MOST_WIDE or bounds.band < LEAST_BAND:
        errors._fail("surfaces: out of range")
    configurator: address = staticcall surface_reports.MARKETS.configurator()
    margin: IRiskConfigurator.MarginParams = staticcall IRiskConfigurator(
        configurator
    ).margin_params(market)
    if bounds.band * u.WAD > margin.mm_ratio * margin.base:
        errors._fail("surfaces: band too wide")


@internal
@view
def _bounds_of(market: uint256) -> ISurfaces.Bounds:
    furthest: uint256 = 0
    widest: uint256 = 0
    band: uint256 = 0
    furthest, widest, band = surface_packing._bounds_fields(self._bounds[market])
    return ISurfaces.Bounds(
        enabled=furthest != 0, furthest=furthest, widest=widest, band=band
    )
