"""How far the suite scales: the real scheduler in simulated time, tables of many cells, and what a whole run costs."""
