"""The table of bad input: what each argument of each public function refuses, and how.

``kinds`` says what can be wrong with a value, ``rows`` what a row is and how it is held. The other
modules are the table, a function each for the arguments of one name.
"""
