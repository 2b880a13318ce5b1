"""Units of docs/spec/words.md and the deployment constants of docs/spec/*.md."""

WAD = 10**18
LOTS_PER_UNIT = 10**8
TICKS_PER_USD = 10**10
# lots x ticks = WAD
LOT_WAD = 10**10
TICK_WAD = 10**8

V_ONE = 10**4
CONF_ONE = 10**5
SOFT_ONE = 10**4
TILT_ONE = 30_000
RATE_TO_WAD = 10**4
VARIANCE_TO_WAD = 10**8

HOUR = 3_600
DAY = 86_400
YEAR = 31_536_000

MAX_CASH = 2**95 - 1
MAX_SIZE = 2**63 - 1
MAX_PRICE = 2**63 - 1
MAX_INT = 2**255 - 1
MAX_LEGS = 16
MAX_COLLATERALS = 8

# margin.md
AGE_OPEN = 15
AGE_IM = 60
AGE_MM = 120
T_DEAD = 3_600
GRACE_MAX = 600
PENDING_LIFE = 60
KAPPA_FLAT = WAD
KAPPA_LEG = WAD // 4
KAPPA_COLLATERAL = WAD // 4

# oracle.md
WINDOW = 3
FUTURE = 1
T_MAX = 3_600
TAU_VARIANCE = 86_400
SAMPLE_A = 300
SAMPLE_B = 3_600
# 0.1 % an hour per hour and 1 % an hour, in 1e-18 per s^2 and per s
VELOCITY = 10**15 // HOUR**2
RATE_MAX = 10**16 // HOUR

# account flags
IN_AUCTION = 1
PORTFOLIO = 2
HOUSE = 4
LISTED = 8
OPTIONS = 16

# price flags
PENDING = 1
GRACE = 2
UNTRUSTED = 4
ACTIVE = 8
OPENING = 16
CHECKED = 64  # a cross-check is asked
POLLED = 128  # an adapter is the source

# health status
LEG_INVALID = 1
COLLATERAL_INVALID = 2
STATUS_PENDING = 4
STATUS_GRACE = 8
FRESH = 16
ALL_DEAD = 32

# ledger.md
MIN_LEG = 1_000 * WAD
DUST = 10 * WAD
SETTLE_THRESHOLD = 1_000 * WAD
SETTLE_PAY = WAD

# orders.md
COMMIT_DELAY = 2
MAX_ORDER_LIFE = DAY

# pool.md
COOLDOWN = DAY
REQUEST_DELAY = 2
VIRTUAL = WAD

# liquidation.md
T_SLOW = 1_800
CLOCK_MEMORY = 3_600
CLOCK_STEP = 300
