"""Sentences that explain the numbers, the same in Markdown and HTML."""

LEGEND = (
    "mean ± half the width of the 95 % t interval over seeds; one seed has no interval.",
    "★ ahead of every other variant that may win; ☆ the best mean and all that cannot be told apart from it. Both rest "
    "on paired t tests of all pairs in the column, Holm-adjusted at 5 %; no mark where nothing can be told apart. "
    "Pairing sees some differences better than others, so a mean nearer to the best may lack the ☆ that a "
    "farther one has.",
    "✓ of the settings of one variant, the one that validation data choose.",
    "⚠ collapsed: its samples have less than half of the data's variance (diversity < 0.5), or it leaves more than "
    "half of the variance unexplained (test_fvu > 0.5). It gets no mark, however good single numbers look.",
    "† flagged: the number must not be read without its reason, given below the table.",
    "↑ more is better, ↓ less is better; a metric without an arrow describes and does not rank.",
    "λ is the KL term's weight (eq. 4) and s² the decoder variance at which eq. 4 is an exact ELBO.",
)
STATISTICS = (
    "Intervals and tests speak about training seeds on the one data split named above; another split may differ.",
    "Differences are paired by seed (same split, initial weights and data order). The seed correlation says whether "
    "pairing bought anything; where it is near zero or negative it did not.",
    "Seeds needed: in all, to see the measured difference with 80 % power in a paired t test at 5 %, corrected for the "
    "comparisons of the table that are still open.",
)
