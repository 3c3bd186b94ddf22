"""A week of a line with three stations: what happens, what must come of it, and what does.

`plan` makes a week from a seed, `wording` writes it as the inputs of a replay, `account` says by arithmetic
of its own what it must come to. None of them knows how the product works it out.
"""
