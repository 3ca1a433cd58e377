"""Check ``faithfulness``: does the network's output depend on the pixels that a map highlights?"""
