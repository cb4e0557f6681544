"""The cut-over: fence, drain, check, promote, swap names, open.

``protocol.cut_over`` is the order of the moves; each move is a module.
"""
