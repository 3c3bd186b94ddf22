"""Station logic: a pure function from state and input to facts and feedback.

`step` decides; `evolve` folds a fact into the state; the state is a fold over the journal. Nothing here does
I/O or asks a clock.
"""
