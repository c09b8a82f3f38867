"""Sentences that explain the numbers, the same in Markdown and HTML."""

LEGEND = (
    "mean ± half the width of the 95 % t interval over seeds; one seed has no interval.",
    "★ told apart from every other variant that competes; ☆ the best mean and all that cannot be told apart from it; "
    "no mark where nothing can be told apart. Told apart: a paired t test over common seeds (three at least), "
    "Holm-adjusted at 5 % over the whole short table of a data set, and a difference of at least the metric's smallest "
    "effect of interest. Errors count as ratios, shares as differences, unevenness by its excess over 1. In the tables "
    "of all numbers a column outside the short table is a family of its own.",
    "° does not compete, for the reason given beside the table: a control, a collapsed model, a setting that "
    "validation data did not choose, too few seeds, too noisy to judge, or numbers that are not comparable.",
    "✓ of the settings of one variant, the one that validation data choose.",
    "⚠ collapsed, for the reason given: established over seeds, the interval decides. It gets no mark, however good "
    "single numbers look. What is sampled from the prior bars from the metrics of the prior alone.",
    "gauge-dependent: another basis of the code gives another number, so only models that declare a prior compete.",
    "† flagged: the number must not be read without its reason, given below the table.",
    "↑ more is better, ↓ less is better; a metric without an arrow describes and does not rank.",
    "λ is the KL term's weight (eq. 4) and s² the decoder variance at which eq. 4 is an exact ELBO.",
)
#: Which variance is which, over several splits of the data.
_OVER_SPLITS = (
    "Which variance is which: intervals and tests speak about other random splits of the data (their training, "
    "validation and test rows) and about training again with other seeds. One value is a split's mean over its seeds; "
    "the interval has one degree of freedom less than there are splits (or seeds, where those are fewer and have "
    "something in common over splits), and is widened because random splits share rows (Nadeau and Bengio's corrected "
    "resampled t test) and by what a seed has in common over splits. Where the errors of test rows are stored, a "
    "bootstrap beside them speaks about other test rows for the models of the first split."
)
STATISTICS = (
    "Which variance is which: intervals and tests speak about training again with other seeds, on the one data split "
    "named above. Where the errors of test rows are stored, a bootstrap beside them speaks about other test rows for "
    "the models at hand. Another division into training and test rows changes both, and is in neither.",
    "Differences are paired by seed (same split, initial weights and data order). The seed correlation says whether "
    "pairing bought anything; where it is near zero or negative it did not.",
    "Seeds needed: of a fresh run, to see the measured difference with 80 % power in a paired t test at 5 %, corrected "
    "for the comparisons of the table that are still open. Adding seeds to this run until a mark appears, and testing "
    "all of them together, raises false marks: fix the number first and test the new seeds alone.",
)


def legend(several_splits: bool) -> tuple[str, ...]:
    """What signs of a report mean."""
    if not several_splits:
        return LEGEND
    first = "mean ± half the width of the 95 % t interval over splits and seeds (see below); one split has no interval."
    return first, LEGEND[1].replace("over common seeds", "over common splits"), *LEGEND[2:]


def statistics(several_splits: bool) -> tuple[str, ...]:
    """What intervals and tests of a report mean."""
    if not several_splits:
        return STATISTICS
    return _OVER_SPLITS, STATISTICS[1].replace("by seed (same split,", "by split and seed (same rows,")
