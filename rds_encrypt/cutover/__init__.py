"""The cutover: fence, drain, check, promote, exchange names, open.

``protocol.cut_over`` is the order of the moves; each move is a module.
"""
