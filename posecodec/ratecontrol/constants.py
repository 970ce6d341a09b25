"""What the encoder's search takes for granted: shortcuts that cost bytes where they are wrong, never a promise.

Units: QP is 16 per octave of the quantizer step. Found on val, benchmarks/LOG.md of 2026-11-23 and 2026-11-24.
"""

WINDOWS_FROM_QP = (
    107  # QP from which on windows are tried: at the default quality, 101, they gain 1 % in 5 times the time
)
WINDOWS_BYTES = 640  # Of the transform up to which windows are tried: larger, they never won (log of 2026-11-27)
REFINED_FROM_QP = 140  # QP of the transform from which on windows with a refinement are tried
REFINED_QPS = (176, 160)  # QPs of windows that are tried below a refinement
LOG_ERROR_PER_QP = 0.03  # How the logarithm of the mean error grows with the QP, about
SEARCH_RADIUS = 5  # QPs tried on each side of the one that is expected to give an error
MAX_WINDOWS_RATIO = 1.1  # Times the transform's bytes that windows may take at the first step tried; else none is tried
MAX_PARTS_RATIO = 1.5  # The same of a chunk in parts
MAX_QP_JUMP = 64  # QPs from one trial of a chunk in parts to the next, at most
MAX_DEFAULT_MISS = 2.0  # Times the default quality's error that its expected step may give, before the step is searched
MAX_UNKNOWN_MISS = 1.05  # The same of bodies whose expected step is less sure: animals, hands, markers
STEPS_IN_MEAN_ERROR = 4.0  # Quantizer steps in a mean error, about: where searches for a mean error or a bit rate begin
BOUND_IN_MEAN_ERRORS = (
    2.5  # Mean errors in a bound, about; how many QPs from there it is cheapest, where searches begin:
)
BOUND_SHIFT, BOUND_SLOPE = -8.6, 0.077  # of bodies that are known, the latter for each QP (benchmarks/LOG.md)
GENERIC_BOUND_SHIFT = 15  # and of all else
BOUND_STRIDES, GENERIC_BOUND_STRIDES = (3, 1), (5, 2, 1)  # QPs from one trial to the next in these searches
SUM_ROUNDING = 1 - 2.0**-40  # Share of a mean error that is aimed at, since sums of errors are rounded
MAX_PREDICTIVE_PRICE = (
    1.5  # Times the transform's bytes at its first step that a rough price of the frame-by-frame coder may be
)
MAX_SURE_RATIO = 0.92  # Times the same that its bytes may be where no other steps or coders are tried: they gain less
EXTRA_TRIALS = 2  # QPs above the expected one that are tried for a chunk in parts; those below it are SEARCH_RADIUS
WINDOWS_BODY_QPS = 3  # QPs tried for the rest of a chunk in parts, downward, when its body is of windows
EXPECTED_QP_ROUNDS = 3  # Times that an expected QP of windows is corrected by the error found there
EXPECTED_PARTS_ROUNDS = 2  # The same for parts
SAMPLED_CHUNKS = (
    8  # Of a long recording that a step for all is sought with first: more are searched only around what that gives
)
BOUND_SAMPLES = (
    3  # Chunks of a long recording that are searched for the cheapest step of a bound; the others are near theirs
)
