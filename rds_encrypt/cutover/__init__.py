"""The cutover: fence, drain, check, promote, exchange names, open.

``protocol.run`` has the order of the moves; each move is a module.
"""
