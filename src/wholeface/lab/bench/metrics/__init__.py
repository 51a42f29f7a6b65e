"""The measures themselves: pure functions of arrays, one file each."""
