"""The output of a run: appended row by row, resumed after any end, compacted after a clean one."""
